from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_playground.text.bpe import BpeTokenizer
from ml_playground.text.ids import TokenIds
from ml_playground.text.pieces import LONGEST, pieces
from ml_playground.text.tiktoken import TiktokenTokenizer
from tests.unit.text.conftest import TRICKY, utf8

tricky = st.text(TRICKY) | st.text("\nA .")


def test_pieces_end_at_the_first_good_line_end_past_their_size() -> None:
    text = "eins\nzwei\n\ndrei\n vier\n„fünf“\nsechs\n7\n_\n"
    assert list(pieces(utf8(text), size=2)) == ["eins\n", "zwei\n\ndrei\n vier\n„fünf“\n", "sechs\n", "7\n", "_\n"]
    assert list(pieces(utf8(text), size=5)) == ["eins\n", "zwei\n\ndrei\n vier\n„fünf“\n", "sechs\n", "7\n_\n"]
    assert list(pieces(utf8(text), size=6)) == ["eins\nzwei\n\ndrei\n vier\n„fünf“\n", "sechs\n", "7\n_\n"]
    assert list(pieces(utf8(text))) == [text]
    assert list(pieces([])) == list(pieces(utf8("", ""))) == []


@given(st.lists(tricky), st.integers(1, 9), st.integers(10, 20))
def test_pieces_depend_on_the_text_alone(chunks: list[str], size: int, longest: int) -> None:
    text = "".join(chunks)
    cut = list(pieces(utf8(*chunks), size, longest))
    assert "".join(cut) == text
    assert cut == list(pieces(utf8(text), size, longest)) == list(pieces(utf8(*text), size, longest))
    assert all(0 < len(piece) <= longest for piece in cut)


def test_a_text_without_line_ends_does_not_pile_up() -> None:
    assert [len(piece) for piece in pieces(utf8(*["x" * 2**18] * 9))] == [LONGEST, LONGEST, 2**18]


def _learned() -> Callable[[str], TokenIds]:
    words = [a + b + c for a in TRICKY for b in TRICKY for c in TRICKY]
    return BpeTokenizer.train(1000, [utf8(" ".join(words), "\n".join(words))]).encode


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_cl100k_base", "tiny_o200k_base", "learned"])
def test_pieces_have_the_ids_of_the_whole(name: str) -> None:
    encode = _learned() if name == "learned" else TiktokenTokenizer(name).encode

    @settings(max_examples=500)
    @given(tricky)
    def check(text: str) -> None:
        cut = [token for piece in pieces(utf8(text), size=1) for token in encode(piece).tolist()]
        assert cut == encode(text).tolist()

    check()
