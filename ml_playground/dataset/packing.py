"""Examples packed into rows of one length, as many in each as fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ml_playground.dataset.prepared import PreparedDataset, Split
from ml_playground.dataset.windows import IGNORED, Batch, Places
from ml_playground.errors import DataError


class PackedRows:
    """Rows of a split's examples, which stay whole; a place is the number of a row.

    An example of n tokens takes n - 1 positions, since its last token is only a target. Positions that are left over
    at the end of a row repeat the last token of the split, as an example of its own without targets.
    """

    def __init__(self, dataset: PreparedDataset, split: Split, block_size: int, *, key: str, packed: bool) -> None:
        """Pack a split.

        Args:
            dataset: The dataset to read.
            split: ``train`` or ``val``.
            block_size: Length of a row in tokens.
            key: The setting that ``block_size`` is from, for messages.
            packed: Whether a row may have several examples.

        Raises:
            DataError: an example does not fit into a row.
        """
        lengths, mask = dataset.lengths(split), dataset.mask(split)
        assert lengths is not None
        assert mask is not None, "examples have both"
        longest = int(lengths.max())
        if longest - 1 > block_size:
            raise DataError(
                f"{key} = {block_size}: the longest example of the {split} split has {longest} tokens; use a longer"
                f" {key.rpartition('.')[2]}, or set [prepare.instructions] max_tokens = {block_size}"
            )
        self._tokens, self._mask = dataset.tokens(split), mask
        self._lengths, self._starts = lengths.astype(np.int64), np.cumsum(lengths, dtype=np.int64) - lengths
        needed = (self._lengths - 1).tolist()
        self._rows = pack(needed, block_size) if packed else [[place] for place in range(len(needed))]
        self._block_size = block_size

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def per_epoch(self) -> int:
        return len(self._rows)

    def adjacent(self) -> Places:
        return np.arange(len(self._rows))

    def epoch(self, generator: np.random.Generator) -> Places:
        return generator.permutation(len(self._rows))

    def at(self, places: Places) -> Batch:
        shape = (len(places), self._block_size)
        inputs = np.full(shape, self._tokens[-1], dtype=np.int64)
        targets = np.full(shape, IGNORED, dtype=np.int64)
        positions = np.zeros(shape, dtype=np.int64)
        for row, place in enumerate(int(place) for place in places):
            end = 0
            for example in self._rows[place]:
                first, count = int(self._starts[example]), int(self._lengths[example]) - 1
                start, end = end, end + count
                tokens = self._tokens[first : first + count + 1].astype(np.int64)
                inputs[row, start:end] = tokens[:-1]
                targets[row, start:end] = np.where(self._mask[first + 1 : first + count + 1], tokens[1:], IGNORED)
                positions[row, start:end] = np.arange(count)
            positions[row, end:] = np.arange(self._block_size - end)
        return Batch(torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(positions))


def pack(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Distribute items over rows of a size, by best fit in order of decreasing length (Johnson et al., 1974).

    Args:
        lengths: At most ``size`` each.
        size: Capacity of a row.

    Returns:
        The items of each row, by index.
    """
    rows: list[list[int]] = []
    by_space: list[list[int]] = [[] for _ in range(size + 1)]  # numbers of rows by the space left in them
    spaces = 0  # bit s: a row has space s, so that the smallest sufficient space is found in one step
    for item in sorted(range(len(lengths)), key=lambda each: (-lengths[each], each)):
        fitting = spaces >> lengths[item]
        if fitting:
            space = lengths[item] + (fitting & -fitting).bit_length() - 1
            row = by_space[space].pop()
            if not by_space[space]:
                spaces ^= 1 << space
            rows[row].append(item)
        else:
            space, row = size, len(rows)
            rows.append([item])
        left = space - lengths[item]
        by_space[left].append(row)
        spaces |= 1 << left
    return rows
