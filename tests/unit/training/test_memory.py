from __future__ import annotations

import weakref

import torch
from torch import Tensor, nn

from ml_playground.models.build import build_model
from ml_playground.training.config import DataConfig, TrainConfig
from ml_playground.training.device import Hardware
from ml_playground.training.memory import estimate
from tests.unit.training.models import SMALL


def test_estimating_frees_all_activations() -> None:
    model = build_model({**SMALL, "dropout": 0.0})
    outputs: list[weakref.ref[Tensor]] = []

    def squash(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        squashed = output.tanh()  # an operation that keeps its own output for the backward pass
        outputs.append(weakref.ref(squashed))
        return squashed

    next(module for module in model.modules() if isinstance(module, nn.Embedding)).register_forward_hook(squash)
    estimate(model, TrainConfig(data=DataConfig(block_size=8)), Hardware(torch.device("cpu"), torch.float32))

    assert len(outputs) == 2
    assert [output() for output in outputs] == [None, None]
