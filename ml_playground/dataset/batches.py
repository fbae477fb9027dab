"""Batches of token windows. A training batch is a pure function of (seed, step, micro step): no cursor needs saving."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

from ml_playground.dataset.prepared import PreparedDataset, Split
from ml_playground.errors import DataError

IGNORED = -1
"""Target of positions that are excluded from the loss."""


@dataclass(frozen=True)
class Batch:
    """Inputs and their next tokens, both int64 of shape (batch, block); targets excluded from the loss are -1."""

    inputs: Tensor
    targets: Tensor


class Batches:
    """Batches of one split."""

    def __init__(
        self,
        dataset: PreparedDataset,
        split: Split,
        batch_size: int,
        block_size: int,
        *,
        key: str = "train.data.block_size",
        shuffled: bool = False,
    ) -> None:
        """Open a split.

        Args:
            dataset: The dataset to read.
            split: ``train`` or ``val``.
            batch_size: Windows per batch.
            block_size: Context length in tokens.
            key: The setting that ``block_size`` is from, for messages.
            shuffled: Whether :meth:`shuffled` will be used, which takes a window from any offset.

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
        self.batch_size = batch_size
        self.block_size = block_size
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}

    def random(self, seed: int, step: int, micro_step: int = 0, rank: int = 0) -> Batch:
        """Return the batch of a step: windows drawn uniformly, with replacement.

        Philox is a counter-based generator (Salmon et al., 2011): any step can be drawn at the same cost, in any order.
        """
        generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, rank, micro_step, step]))
        return self._at(generator.integers(len(self._windows), size=self.batch_size))

    def shuffled(self, seed: int, index: int) -> Batch:
        """Return the batch with that index, which counts micro steps and ranks from the start of training.

        Every window is used once per epoch, in random order.

        Each epoch starts at a different offset, so that the text is not always split at the same positions; the tokens
        before the offset, less than one window, are skipped.
        """
        count = (len(self._windows) - 1) // self.block_size
        places = range(index * self.batch_size, (index + 1) * self.batch_size)
        return self._at(np.array([self._order(seed, place // count)[place % count] for place in places]))

    def fixed(self, limit: int = 0, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Yield adjacent windows over the whole split, at most ``limit`` batches of them, evenly spaced; 0 yields all.

        Each rank gets its own share of the batches. All batches have the full shape, so that compiled models are not
        recompiled: rows past the end repeat the last window with targets ``IGNORED``.
        """
        starts = np.arange(0, len(self._windows), self.block_size)
        size = min(self.batch_size, len(starts))
        if limit and len(starts) > limit * size:
            starts = starts[np.linspace(0, len(starts) - 1, limit * size).round().astype(np.intp)]
        for first in range(rank * size, len(starts), world_size * size):
            rows = starts[first : first + size]
            batch = self._at(np.pad(rows, (0, size - len(rows)), mode="edge"))
            targets = batch.targets.clone()  # inputs and targets are views of the same windows
            targets[len(rows) :] = IGNORED
            yield Batch(batch.inputs, targets)

    def _order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """Return the start positions of an epoch's windows, shuffled. Two epochs are cached: a batch may span both."""
        if (seed, epoch) not in self._orders:
            count = (len(self._windows) - 1) // self.block_size
            generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 2**63, epoch]))
            offset = generator.integers(self.block_size)
            self._orders = {
                **{key: order for key, order in self._orders.items() if key == (seed, epoch - 1)},
                (seed, epoch): offset + self.block_size * generator.permutation(count),
            }
        return self._orders[seed, epoch]

    def _at(self, starts: NDArray[np.intp] | NDArray[np.int64]) -> Batch:
        windows = torch.from_numpy(self._windows[starts].astype(np.int64))
        targets = windows[:, 1:]
        if self._masks is not None:
            targets = targets.masked_fill(torch.from_numpy(self._masks[starts][:, 1:] == 0), IGNORED)
        return Batch(windows[:, :-1], targets)
