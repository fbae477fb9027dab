from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from ml_playground.text.char import CharTokenizer
from ml_playground.text.char_ngram import CharNgramTokenizer
from ml_playground.text.tokenizer import load_tokenizer
from tests.unit.text.conftest import utf8


@given(st.text(min_size=1), st.integers(1, 5))
def test_the_text_itself_takes_n_characters_a_token(text: str, ngram: int) -> None:
    assert len(CharNgramTokenizer.train(ngram, [utf8(text)]).encode(text)) == math.ceil(len(text) / ngram)


@given(st.text())
def test_one_character_a_token_gives_the_ids_of_char(text: str) -> None:
    assert (
        CharNgramTokenizer.train(1, [utf8(text)]).encode(text).tolist()
        == CharTokenizer.train([utf8(text)]).encode(text).tolist()
    )


def test_the_vocabulary_is_every_run_of_the_text_shorter_ones_first() -> None:
    tokenizer = CharNgramTokenizer.train(3, [utf8("abac")])
    assert tokenizer.state["tokens"] == '["a", "b", "c", "ab", "ac", "ba", "aba", "bac"]'
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (9, 8)


def test_unseen_runs_of_known_characters_fall_back_to_the_longest_known() -> None:
    tokenizer = CharNgramTokenizer.train(3, [utf8("abac")])
    assert [tokenizer.decode([token]) for token in tokenizer.encode("cbacabcab").tolist()] == [
        "c",
        "bac",
        "ab",
        "c",
        "ab",
    ]


@given(st.text("ab", min_size=4), st.text("ab"))
def test_any_text_of_known_characters_comes_back(text: str, other: str) -> None:
    tokenizer = CharNgramTokenizer.train(3, [utf8(text + "ab")])
    assert tokenizer.decode(tokenizer.encode(other).tolist()) == other


def test_a_text_shorter_than_n_is_one_token() -> None:
    assert CharNgramTokenizer.train(8, [utf8("ab")]).encode("ab").tolist() == [2]


def test_runs_do_not_go_from_one_text_into_the_next() -> None:
    tokenizer = CharNgramTokenizer.train(2, [utf8("ab"), utf8("ca")])
    assert tokenizer.state["tokens"] == '["a", "b", "c", "ab", "ca"]'


def test_a_vocabulary_of_old_has_no_end_of_text() -> None:
    tokenizer = load_tokenizer({"kind": "char_ngram", "tokens": '["a", "b", "ab"]'})
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (3, None)


def test_a_long_text_is_cut_where_its_tokens_end() -> None:
    text = "abcabdacd" * 70_000
    tokenizer = CharNgramTokenizer.train(4, [utf8(text)])
    pieces = list(tokenizer.cut(utf8(text[:100_001], text[100_001:])))
    assert len(pieces) > 1
    assert [token for piece in pieces for token in tokenizer.encode(piece)] == tokenizer.encode(text).tolist()
