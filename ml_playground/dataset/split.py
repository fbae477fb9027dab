"""Split a source into a training and a validation part."""

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
    """Return the indices of the validation documents, in order.

    Documents of similar length are grouped, and a proportional number is drawn from each group, so that both splits
    have long and short documents. Of several such draws, the one whose number of characters is closest to the fraction
    is used. At least one document is left for each split.

    Args:
        sizes: Characters of each document, at least two of them.
        fraction: Fraction of all characters.
        seed: The same seed and sizes give the same documents.
    """
    generator = random.Random(seed)  # noqa: S311  # not for cryptography
    wanted = fraction * sum(sizes)
    by_size = sorted(range(len(sizes)), key=lambda place: (-sizes[place], place))
    # A document longer than the whole validation part cannot be in it, so more of the others are needed.
    fitting = [place for place in by_size if sizes[place] <= wanted] or by_size[-1:]
    step = max(1.0, sum(sizes[place] for place in fitting) / wanted) if wanted else len(sizes)
    draws = max(1, min(_DRAWS, _MOST_WORK // len(sizes)))
    chosen = min(
        (_draw(fitting, len(sizes), step, generator) for _ in range(draws)), key=lambda draw: _miss(draw, sizes, wanted)
    )
    return sorted(chosen)


def _draw(fitting: Sequence[int], count: int, step: float, generator: random.Random) -> list[int]:
    """Draw one of every ``step`` neighbors; at least one, and never all ``count`` documents."""
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
    """One text as two, which must be read in order: the first ``count`` characters, and the rest."""

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
