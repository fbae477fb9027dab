"""Texts of the validation split that are in the training split too, exactly or nearly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_WORD = re.compile(r"\w+")
_SHINGLE = 3
"""Words per shingle."""
NEAR = 0.8
"""Least Jaccard similarity, of the shingles of two texts, that counts as nearly equal."""


@dataclass(frozen=True)
class Duplicates:
    """Texts that occur more than once, by their indices."""

    repeated: list[int]
    """Training texts that are equal to an earlier one."""
    exact: list[tuple[int, int]]
    """(validation text, equal training text)."""
    near: list[tuple[int, int]]
    """(validation text, nearly equal training text), at most one pair per validation text."""


def duplicates(train: Sequence[str], val: Sequence[str]) -> Duplicates:
    """Find duplicates within the training texts, and between both splits."""
    first: dict[str, int] = {}
    repeated = [place for place, text in enumerate(train) if first.setdefault(text, place) != place]
    exact = [(place, first[text]) for place, text in enumerate(val) if text in first]
    return Duplicates(repeated, exact, _near(train, val, {place for place, _ in exact}))


def _near(train: Sequence[str], val: Sequence[str], known: set[int]) -> list[tuple[int, int]]:
    """Find nearly equal texts without comparing all pairs.

    Two sets with a Jaccard similarity of at least t share one of the ``(1 - t) * n + 1`` rarest elements of either
    (prefix filtering; Chaudhuri et al., 2006), so only texts with such an element in common are compared.
    """
    shingles = {place: _shingles(text) for place, text in enumerate(val) if place not in known}
    others = [_shingles(text) for text in train]
    counts = Counter(shingle for each in (*shingles.values(), *others) for shingle in each)
    by_shingle: dict[int, list[int]] = {}
    for place, each in enumerate(others):
        for shingle in _rarest(each, counts):
            by_shingle.setdefault(shingle, []).append(place)
    pairs: list[tuple[int, int]] = []
    for place, each in shingles.items():
        candidates = {other for shingle in _rarest(each, counts) for other in by_shingle.get(shingle, ())}
        similar = (other for other in sorted(candidates) if _jaccard(each, others[other]) >= NEAR)
        if (found := next(similar, None)) is not None:
            pairs.append((place, found))
    return pairs


def _shingles(text: str) -> frozenset[int]:
    words = _WORD.findall(text.casefold())
    return frozenset(hash(tuple(words[i : i + _SHINGLE])) for i in range(max(1, len(words) - _SHINGLE + 1)))


def _rarest(shingles: frozenset[int], counts: Counter[int]) -> list[int]:
    return sorted(shingles, key=lambda each: (counts[each], each))[: int((1 - NEAR) * len(shingles) + 1e-9) + 1]


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)
