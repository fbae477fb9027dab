"""What holds for every tokenizer."""

from __future__ import annotations

import itertools
import json
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_playground.errors import DataError
from ml_playground.text.config import BUILT_IN_TOKENIZERS, PrepareConfig
from ml_playground.text.ids import END_OF_TEXT
from ml_playground.text.tokenizer import (
    Tokenizer,
    TokenizerState,
    load_tokenizer,
    tokenizer_settings,
    tokenizers,
    train_tokenizer,
)
from tests.unit.text.conftest import TRICKY, utf8

CONFIGS = {
    "char": PrepareConfig(tokenizer="char"),
    "unigram": PrepareConfig(tokenizer="char_ngram", ngram=1),
    "bigram": PrepareConfig(tokenizer="char_ngram", ngram=2),
    "4-gram": PrepareConfig(tokenizer="char_ngram", ngram=4),
    "tiktoken": PrepareConfig(tokenizer="tiktoken", encoding="tiny_gpt2"),
    "bpe": PrepareConfig(tokenizer="bpe", vocab_size=300),
}
BYTE_LEVEL = ("tiktoken", "bpe")
EXAMPLE = "Die Straße ist gesperrt.\n\n„Für wen?“ fragt er –\nfür 1001 Fahrzeuge!\n" * 3

every = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
texts = st.text() | st.text(TRICKY) | st.text("ab")
cuts = st.lists(st.integers(0, 100))


def cut_at(text: str, places: list[int]) -> list[str]:
    """A text in pieces, some of them empty."""
    edges = [0, *sorted(places), max([len(text), *places])]
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def joined(tokenizer: Tokenizer, chunks: list[str]) -> list[int]:
    return [token for piece in tokenizer.cut(utf8(*chunks)) for token in tokenizer.encode(piece).tolist()]


@every
@given(text=texts)
def test_its_own_text_comes_back(config: PrepareConfig, text: str) -> None:
    tokenizer = train_tokenizer(config, [utf8(text)])
    assert tokenizer.decode(tokenizer.encode(text).tolist()) == text


@every
@given(text=texts)
def test_ids_are_below_the_vocabularys_size(config: PrepareConfig, text: str) -> None:
    tokenizer = train_tokenizer(config, [utf8(text)])
    ids = tokenizer.encode(text)
    assert ids.shape == (len(ids),)
    assert ids.dtype == np.uint16
    assert ids.max(initial=0) < max(tokenizer.vocab_size, 1)


@every
@given(text=texts, places=cuts)
def test_a_text_has_the_same_ids_however_it_is_cut(config: PrepareConfig, text: str, places: list[int]) -> None:
    tokenizer = train_tokenizer(config, [utf8(text)])
    assert joined(tokenizer, cut_at(text, places)) == tokenizer.encode(text).tolist()


@every
@given(text=texts, places=cuts)
def test_a_text_makes_the_same_vocabulary_however_it_is_cut(
    config: PrepareConfig, text: str, places: list[int]
) -> None:
    assert train_tokenizer(config, [utf8(*cut_at(text, places))]).state == train_tokenizer(config, [utf8(text)]).state


@every
@given(text=texts)
def test_the_saved_state_builds_the_same_tokenizer(config: PrepareConfig, text: str) -> None:
    tokenizer = train_tokenizer(config, [utf8(EXAMPLE, text)])
    again = load_tokenizer(cast("TokenizerState", json.loads(json.dumps(tokenizer.state))))
    assert again.state == tokenizer.state
    assert again.vocab_size == tokenizer.vocab_size
    ids = tokenizer.encode(text + EXAMPLE)
    assert np.array_equal(again.encode(text + EXAMPLE), ids)
    assert again.decode(ids.tolist()) == text + EXAMPLE


@every
def test_a_long_text_has_the_ids_of_the_whole(config: PrepareConfig) -> None:
    text = EXAMPLE * 2000
    tokenizer = train_tokenizer(config, [utf8(text)])
    chunks = [text[start : start + 99_999] for start in range(0, len(text), 99_999)]
    ids = joined(tokenizer, chunks)
    assert ids == tokenizer.encode(text).tolist()
    assert tokenizer.decode(ids) == text


@every
def test_the_empty_text_has_no_tokens(config: PrepareConfig) -> None:
    tokenizer = train_tokenizer(config, [utf8(EXAMPLE)])
    assert tokenizer.encode("").tolist() == joined(tokenizer, []) == joined(tokenizer, ["", ""]) == []
    assert tokenizer.decode([]) == ""


@every
def test_what_looks_like_a_special_token_is_text(config: PrepareConfig) -> None:
    text = "<|endoftext|>"
    tokenizer = train_tokenizer(config, [utf8(text)])
    assert len(tokenizer.encode(text)) > 1
    assert tokenizer.decode(tokenizer.encode(text).tolist()) == text


@every
def test_unknown_characters_are_shown(config: PrepareConfig) -> None:
    tokenizer = train_tokenizer(config, [utf8(EXAMPLE)])
    unknown = ["\ud800"] if tokenizer.state["kind"] in BYTE_LEVEL else ["\x00", "{", "\U0001f600", "\ud800"]
    for character in unknown:
        problem = rf"^not in the vocabulary: .* \(U\+{ord(character):04X}\)$"
        with pytest.raises(DataError, match=problem):
            tokenizer.encode(f"Die {character}")
        if character.isprintable():
            with pytest.raises(DataError, match=problem):
                tokenizer.encode(f"Die {character}".encode())


@pytest.mark.parametrize("kind", BYTE_LEVEL)
@settings(max_examples=300)
@given(text=st.text())
def test_a_byte_level_vocabulary_has_every_text(kind: str, text: str) -> None:
    tokenizer = train_tokenizer(CONFIGS[kind], [utf8()])
    assert tokenizer.decode(tokenizer.encode(text).tolist()) == text


def test_the_settings_are_those_that_matter() -> None:
    all_of_them = [tokenizer_settings(config) for config in CONFIGS.values()]
    assert all_of_them == [
        ["char"], ["char_ngram", 1], ["char_ngram", 2], ["char_ngram", 4], ["tiktoken", "tiny_gpt2"], ["bpe", 300],
    ]  # fmt: skip


@pytest.mark.parametrize("state", [{}, {"kind": "morse"}, {"kind": "char_ngram"}, {"kind": "bpe", "tokens": "[]"}])
def test_an_unknown_state_is_refused(state: TokenizerState) -> None:
    with pytest.raises(DataError, match=r"^unknown tokenizer .*; prepare the data again$"):
        load_tokenizer(state)


@every
@given(text=texts)
def test_the_end_of_a_text_is_an_id_that_no_text_has_and_prints(config: PrepareConfig, text: str) -> None:
    tokenizer = train_tokenizer(config, [utf8(text, END_OF_TEXT)])
    assert tokenizer.end_of_text is not None
    assert 0 <= tokenizer.end_of_text < tokenizer.vocab_size
    ids = tokenizer.encode(text + END_OF_TEXT).tolist()
    assert tokenizer.end_of_text not in ids
    assert tokenizer.decode([*ids, tokenizer.end_of_text]) == text + END_OF_TEXT * 2


@every
def test_utf8_has_the_ids_of_its_text(config: PrepareConfig) -> None:
    tokenizer = train_tokenizer(config, [utf8(EXAMPLE)])
    assert tokenizer.encode(EXAMPLE.encode()).tolist() == tokenizer.encode(EXAMPLE).tolist()


def test_a_config_knows_the_built_in_ones_without_importing_them() -> None:
    assert set(BUILT_IN_TOKENIZERS) <= set(tokenizers.all())
