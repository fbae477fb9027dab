"""Data-parallel training across processes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class World:
    """Rank and world size. This class is for a single process; subclasses override both methods to communicate."""

    rank: int = 0
    """Index of this process, from 0."""
    size: int = 1
    """Number of processes. Each takes its own share of the training windows and of the evaluation."""

    def sum(self, numbers: Tensor) -> Tensor:
        """Return the elementwise sum of a tensor over all processes (all-reduce)."""
        return numbers

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over all processes."""
