"""Batches of one length. A training batch is a pure function of (seed, step, micro step): no cursor needs saving."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ml_playground.dataset.packing import PackedRows
from ml_playground.dataset.prepared import PreparedDataset, Split
from ml_playground.dataset.windows import IGNORED, Batch, Places, TextWindows, Windows


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
        packed: bool = True,
    ) -> None:
        """Open a split.

        Args:
            dataset: The dataset to read.
            split: ``train`` or ``val``.
            batch_size: Windows per batch.
            block_size: Context length in tokens.
            key: The setting that ``block_size`` is from, for messages.
            shuffled: Whether :meth:`shuffled` will be used, which takes a window from any offset.
            packed: Whether a row may have several examples, where the dataset has examples.

        Raises:
            DataError: the split is too short, or an example is too long.
        """
        self._windows: Windows
        if dataset.lengths(split) is None:
            self._windows = TextWindows(dataset, split, block_size, key=key, shuffled=shuffled)
        else:
            self._windows = PackedRows(dataset, split, block_size, key=key, packed=packed)
        self.batch_size = batch_size
        self.block_size = block_size
        self._orders: dict[tuple[int, int], Places] = {}

    def random(self, seed: int, step: int, micro_step: int = 0, rank: int = 0) -> Batch:
        """Return the batch of a step: windows drawn uniformly, with replacement.

        Philox is a counter-based generator (Salmon et al., 2011): any step can be drawn at the same cost, in any order.
        """
        generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, rank, micro_step, step]))
        return self._windows.at(generator.integers(len(self._windows), size=self.batch_size))

    def shuffled(self, seed: int, index: int) -> Batch:
        """Return the batch with that index, which counts micro steps and ranks from the start of training.

        Every window is used once per epoch, in random order.
        """
        count = self._windows.per_epoch
        draws = range(index * self.batch_size, (index + 1) * self.batch_size)
        return self._windows.at(np.array([self._order(seed, draw // count)[draw % count] for draw in draws]))

    def fixed(self, limit: int = 0, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Yield adjacent windows over the whole split, at most ``limit`` batches of them, evenly spaced; 0 yields all.

        Each rank gets its own share of the batches. All batches have the full shape, so that compiled models are not
        recompiled: rows past the end repeat the last window with targets ``IGNORED``.
        """
        places = self._windows.adjacent()
        size = min(self.batch_size, len(places))
        if limit and len(places) > limit * size:
            places = places[np.linspace(0, len(places) - 1, limit * size).round().astype(np.intp)]
        for first in range(rank * size, len(places), world_size * size):
            rows = places[first : first + size]
            batch = self._windows.at(np.pad(rows, (0, size - len(rows)), mode="edge"))
            targets = batch.targets.clone()  # inputs and targets may be views of the same windows
            targets[len(rows) :] = IGNORED
            yield Batch(batch.inputs, targets, batch.positions)

    def _order(self, seed: int, epoch: int) -> Places:
        """Return the places of an epoch, shuffled. Two epochs are cached: a batch may span both."""
        if (seed, epoch) not in self._orders:
            generator = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 2**63, epoch]))
            self._orders = {
                **{key: order for key, order in self._orders.items() if key == (seed, epoch - 1)},
                (seed, epoch): self._windows.epoch(generator),
            }
        return self._orders[seed, epoch]
