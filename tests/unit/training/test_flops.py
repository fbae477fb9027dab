from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ml_playground.models.build import build_model
from ml_playground.models.config import ModelArgs
from ml_playground.training.flops import flops_per_token

ARGS: ModelArgs = {"block_size": 8, "n_layer": 2, "n_head": 4, "n_embd": 64, "vocab_size": 100}


@pytest.mark.parametrize(
    "own",
    [
        {"family": "gpt", "bias": False, "dropout": 0.0},
        {"family": "qwen3", "n_kv_head": 2, "n_inner": 96, "dropout": 0.0},
    ],
)
def test_they_are_what_torch_counts_without_attention(own: ModelArgs) -> None:
    model = build_model({**ARGS, **own})
    ids = torch.zeros(2, 8, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        model.loss(ids, ids).backward()
    counted = counter.get_flop_counts()["Global"]
    matrices = sum(flops for operator, flops in counted.items() if str(operator) == "aten.mm")
    assert flops_per_token(model) == matrices / ids.numel()


def test_frozen_weights_have_no_gradients_to_compute() -> None:
    model = build_model({**ARGS, "family": "gpt", "bias": False, "dropout": 0.0})
    everything = flops_per_token(model)
    model.requires_grad_(requires_grad=False)
    assert flops_per_token(model) == everything * 2 / 3
