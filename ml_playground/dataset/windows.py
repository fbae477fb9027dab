"""What batches are made of: windows of a long text, or rows packed with examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from ml_playground.dataset.prepared import PreparedDataset, Split
from ml_playground.errors import DataError

IGNORED = -1
"""Target of positions that are excluded from the loss."""
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Inputs and their next tokens, both int64 of shape (batch, block); targets excluded from the loss are -1."""

    inputs: Tensor
    targets: Tensor
    positions: Tensor | None = None
    """Position of each token in its example, same shape, where rows are packed: no token attends to another example.
    None if each row is one text."""

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The arguments of a model's loss."""
        return (self.inputs, self.targets) if self.positions is None else (self.inputs, self.targets, self.positions)


class Windows(Protocol):
    """Rows of one length, at places that are known by their numbers."""

    def __len__(self) -> int:
        """Number of places: all are ``0 .. len - 1``."""
        ...

    @property
    def per_epoch(self) -> int:
        """Number of places in an epoch."""
        ...

    def adjacent(self) -> Places:
        """Return the places of rows that cover everything once."""
        ...

    def epoch(self, generator: np.random.Generator) -> Places:
        """Return the places of an epoch, which covers everything once, in random order."""
        ...

    def at(self, places: Places) -> Batch:
        """Return the rows at the places."""
        ...


class TextWindows:
    """Windows of a split's text; a place is the position of its first token."""

    def __init__(self, dataset: PreparedDataset, split: Split, block_size: int, *, key: str, shuffled: bool) -> None:
        """Open a split. The arguments are those of :class:`~ml_playground.dataset.batches.Batches`.

        Raises:
            DataError: the split is too short.
        """
        tokens = dataset.tokens(split)
        least = 2 * block_size + 1 if shuffled else block_size + 1
        kind = ' with sampler = "shuffled"' if shuffled else ""
        if len(tokens) < least:
            raise DataError(
                f"{dataset.folder}: the {split} split has {len(tokens)} tokens, too few for {key} = {block_size}"
                f"{kind}, which needs {least}; use more text or a smaller"
                f" {key.rpartition('.')[2]}"
            )
        self._windows = sliding_window_view(tokens, block_size + 1)
        mask = dataset.mask(split)
        self._masks = None if mask is None else sliding_window_view(mask, block_size + 1)
        self._block_size = block_size

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def per_epoch(self) -> int:
        return (len(self._windows) - 1) // self._block_size

    def adjacent(self) -> Places:
        return np.arange(0, len(self._windows), self._block_size)

    def epoch(self, generator: np.random.Generator) -> Places:
        """Return the places of adjacent windows, shuffled.

        Each epoch starts at a different offset, so that the text is not always split at the same positions; the tokens
        before the offset, less than one window, are skipped.
        """
        offset = generator.integers(self._block_size)
        return offset + self._block_size * generator.permutation(self.per_epoch)

    def at(self, places: Places) -> Batch:
        windows = torch.from_numpy(self._windows[places].astype(np.int64))
        targets = windows[:, 1:]
        if self._masks is not None:
            targets = targets.masked_fill(torch.from_numpy(self._masks[places][:, 1:] == 0), IGNORED)
        return Batch(windows[:, :-1], targets)
