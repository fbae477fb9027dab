from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from ml_playground.dataset.batches import Batches
from ml_playground.dataset.prepare import prepare_dataset
from ml_playground.dataset.windows import IGNORED
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextInMemory
from ml_playground.training.device import Hardware
from ml_playground.training.evaluation import evaluate
from ml_playground.training.world import World

CPU = Hardware(torch.device("cpu"), torch.float32)


class Gathered(World):
    """A process whose fellows have told it their numbers."""

    def __init__(self, rank: int, numbers: list[Tensor]) -> None:
        super().__init__(rank, 3)
        self.__dict__["numbers"] = numbers

    def sum(self, numbers: Tensor) -> Tensor:
        told: list[Tensor] = self.__dict__["numbers"]
        told.append(numbers)
        return torch.stack(told).sum(0)


def loss_of(inputs: Tensor, targets: Tensor) -> Tensor:
    return targets[targets != IGNORED].float().mean()


def test_processes_that_share_an_evaluation_find_what_one_finds(tmp_path: Path) -> None:
    text = TextInMemory("x", "".join(map(chr, range(0x100, 0x300))))
    dataset = prepare_dataset(PrepareConfig(preparer="t", dataset_dir=tmp_path / "set", val_fraction=0.3), text)
    batches = Batches(dataset, "val", 4, 8)
    numbers: list[Tensor] = []
    shared = [evaluate(loss_of, batches, 0, CPU, world=Gathered(rank, numbers)) for rank in range(3)]
    assert shared[-1] == pytest.approx(evaluate(loss_of, batches, 0, CPU))
    assert shared[0] != shared[-1]
