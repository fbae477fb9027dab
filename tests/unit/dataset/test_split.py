"""Which documents are for validation."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ml_playground.dataset.split import val_documents


@given(st.lists(st.integers(0, 100), min_size=2, max_size=40), st.floats(0.01, 0.99), st.integers(0, 9))
def test_both_splits_have_a_document_and_a_seed_decides(sizes: list[int], fraction: float, seed: int) -> None:
    chosen = val_documents(sizes, fraction, seed)
    assert chosen == sorted(set(chosen)) == val_documents(sizes, fraction, seed)
    assert 0 < len(chosen) < len(sizes)
    assert set(chosen) <= set(range(len(sizes)))


def test_long_and_short_documents_are_on_both_sides_in_their_shares() -> None:
    # As in a debate: half of the documents are the chair's "Das Wort hat …".
    generator = random.Random(1)
    sizes = [generator.randrange(50, 300) for _ in range(100)] + [generator.randrange(3000, 12000) for _ in range(100)]
    generator.shuffle(sizes)
    for seed in range(10):
        chosen = val_documents(sizes, 0.1, seed)
        long = sum(sizes[place] >= 3000 for place in chosen)
        assert (len(chosen), long) == (20, 10)
        assert abs(sum(sizes[place] for place in chosen) / sum(sizes) - 0.1) < 0.01
    assert len({tuple(val_documents(sizes, 0.1, seed)) for seed in range(10)}) == 10
