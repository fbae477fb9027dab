"""Which part of a source is for training, and which for validation."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ml_playground.text.source import Chunks
from ml_playground.text.utf8 import characters, position


def val_documents(sizes: Sequence[int], fraction: float, seed: int) -> list[int]:
    """The places of the documents that are for validation, in order.

    They are taken in random order, each where it still fits into its share of all characters; the smallest one where
    none does. At least one is left for training.

    Args:
        sizes: Characters of each document, at least two of them.
        fraction: Share of all characters.
        seed: The same seed and sizes give the same documents.
    """
    room = fraction * sum(sizes)
    chosen: list[int] = []
    order = list(range(len(sizes)))
    random.Random(seed).shuffle(order)  # noqa: S311  # no cryptography
    for place in order:
        if sizes[place] <= room and len(chosen) < len(sizes) - 1:
            chosen.append(place)
            room -= sizes[place]
    return sorted(chosen) or [min(order, key=lambda place: sizes[place])]


@dataclass
class Halves:
    """One text as two, to be read one after the other: the first ``count`` characters, and the rest."""

    chunks: Chunks
    count: int
    _rest: bytes = b""

    def first(self) -> Chunks:
        left = self.count
        for chunk in self.chunks:
            length = characters(chunk)
            if length >= left:
                end = position(chunk, left)
                self._rest = chunk[end:]
                yield chunk[:end]
                return
            left -= length
            yield chunk

    def second(self) -> Chunks:
        yield self._rest
        yield from self.chunks
