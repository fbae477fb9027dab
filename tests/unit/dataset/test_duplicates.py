from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from ml_playground.dataset.duplicates import NEAR, duplicates

WORDS = st.lists(st.sampled_from(["Geld", "Haushalt", "der", "die", "ist", "Herr"]), max_size=12).map(" ".join)


def shingles(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}


@given(st.lists(WORDS, max_size=12), st.lists(WORDS, max_size=6))
def test_the_same_is_found_as_by_comparing_all_pairs(train: list[str], val: list[str]) -> None:
    found = duplicates(train, val)
    assert found.repeated == [place for place, text in enumerate(train) if text in train[:place]]
    assert found.exact == [(place, train.index(text)) for place, text in enumerate(val) if text in train]
    near: list[tuple[int, int]] = []
    for place, text in enumerate(val):
        own = shingles(text)
        for other, theirs in enumerate(map(shingles, train)):
            if text not in train and len(own & theirs) / len(own | theirs) >= NEAR:
                near.append((place, other))
                break
    assert found.near == near


def test_a_text_with_one_word_changed_is_nearly_equal() -> None:
    text = " ".join(f"word{number}" for number in range(40))
    assert duplicates(["other", text], [text.replace("word39", "else").upper()]).near == [(0, 1)]
