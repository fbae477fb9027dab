"""The processes that train one model together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class World:
    """This process among them. Here it is alone; several exchange numbers by overriding both methods."""

    rank: int = 0
    """This process, from 0."""
    size: int = 1
    """How many there are. Each takes its own share of the micro steps' windows and of the evaluation."""

    def sum(self, numbers: Tensor) -> Tensor:
        """The sum of the same tensor over all processes, of the same shape."""
        return numbers

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over all processes."""
