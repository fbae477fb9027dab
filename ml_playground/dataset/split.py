"""Which part of a source is for training, and which for validation."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ml_playground.text.source import Chunks
from ml_playground.text.utf8 import characters, position

_DRAWS = 100
_MOST_WORK = 1_000_000


def val_documents(sizes: Sequence[int], fraction: float, seed: int) -> list[int]:
    """The places of the documents that are for validation, in order.

    Documents of similar length are in groups, and from each group as many are drawn as its share of all says: so both
    sides have long and short ones alike. Of some such draws it is the one whose characters are nearest to the fraction.
    At least one document is left for either side.

    Args:
        sizes: Characters of each document, at least two of them.
        fraction: Share of all characters.
        seed: The same seed and sizes give the same documents.
    """
    generator = random.Random(seed)  # noqa: S311  # no cryptography
    wanted = fraction * sum(sizes)
    by_size = sorted(range(len(sizes)), key=lambda place: (-sizes[place], place))
    # One that is longer than all of validation cannot be in it, so of the others there must be more.
    fitting = [place for place in by_size if sizes[place] <= wanted] or by_size[-1:]
    step = max(1.0, sum(sizes[place] for place in fitting) / wanted) if wanted else len(sizes)
    draws = max(1, min(_DRAWS, _MOST_WORK // len(sizes)))
    chosen = min(
        (_draw(fitting, len(sizes), step, generator) for _ in range(draws)), key=lambda draw: _miss(draw, sizes, wanted)
    )
    return sorted(chosen)


def _draw(fitting: Sequence[int], count: int, step: float, generator: random.Random) -> list[int]:
    """One of every ``step`` neighbours, of ``count`` documents never none or all."""
    bounds = [min(len(fitting), round(step * number)) for number in range(int(len(fitting) / step) + 2)]
    drawn: list[int] = []
    for first, last in itertools.pairwise(bounds):
        whole = last - first >= round(step)
        if last > first and (whole or generator.random() * step < last - first):
            drawn.append(fitting[generator.randrange(first, last)])
    if not drawn:
        drawn.append(fitting[generator.randrange(len(fitting))])
    return drawn if len(drawn) < count else drawn[1:]


def _miss(draw: Sequence[int], sizes: Sequence[int], wanted: float) -> float:
    return abs(sum(sizes[place] for place in draw) - wanted)


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
