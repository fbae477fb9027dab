"""The form of our tokenizers that transformers reads."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Fast

from ml_playground.errors import DataError, UserError
from ml_playground.exporting.fast_tokenizer import fast_tokenizer
from ml_playground.text.char import CharTokenizer
from ml_playground.text.char_ngram import CharNgramTokenizer
from ml_playground.text.config import PrepareConfig
from ml_playground.text.tokenizer import Tokenizer, train_tokenizer

TEXT = "Die Straße ist gesperrt.\n\n„Für wen?“ fragt er – <unk>[a-z]^$ \\x{41} 😀!\n" * 2
CONFIGS = {
    "char": PrepareConfig(tokenizer="char"),
    "bigram": PrepareConfig(tokenizer="char_ngram", ngram=2),
    "4-gram": PrepareConfig(tokenizer="char_ngram", ngram=4),
    "bpe": PrepareConfig(tokenizer="bpe", vocab_size=300),
    "tiktoken": PrepareConfig(tokenizer="tiktoken", encoding="tiny_gpt2"),
    "another tiktoken": PrepareConfig(tokenizer="tiktoken", encoding="tiny_o200k_base"),
}
every = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def read(tokenizer: Tokenizer) -> Fast:
    fast = Fast.from_str(fast_tokenizer(tokenizer).definition)
    fast.encode_special_tokens = True
    return fast


def both(ours: Tokenizer, fast: Fast, text: str) -> None:
    try:
        ids = ours.encode(text).tolist()
    except DataError:
        with pytest.raises(Exception, match="Missing"):
            fast.encode(text)
        return
    assert fast.encode(text).ids == ids
    assert fast.decode(ids, skip_special_tokens=False) == ours.decode(ids)


@every
def test_it_encodes_as_ours_does_or_refuses_as_ours_does(config: PrepareConfig) -> None:
    ours = train_tokenizer(config, [[TEXT.encode()]])
    fast = read(ours)

    @given(st.text() | st.text(TEXT) | st.text(TEXT[:12]) | st.text(" \n\t'aAsſ1²ä"))
    def check(text: str) -> None:
        both(ours, fast, text)

    check()
    for text in (TEXT, "", "<|endoftext|>", "a<|endoftext|>b"):
        both(ours, fast, text)


@every
def test_the_end_of_text_token_has_its_id(config: PrepareConfig) -> None:
    ours = train_tokenizer(config, [[TEXT.encode()]])
    content = fast_tokenizer(ours)
    assert content.end is not None
    assert read(ours).token_to_id(content.end) == ours.end_of_text


@pytest.mark.parametrize(
    "tokenizer",
    [CharTokenizer("ab", end_of_text=False), CharNgramTokenizer(["a", "b", "ab"], end_of_text=False)],
    ids=["char", "char_ngram"],
)
def test_vocabularies_of_earlier_versions_have_no_end_of_text_token(tokenizer: Tokenizer) -> None:
    assert fast_tokenizer(tokenizer).end is None
    both(tokenizer, read(tokenizer), "abba")
    assert json.loads(fast_tokenizer(tokenizer).definition)["added_tokens"] == []


def test_a_tokenizer_of_another_package_is_refused() -> None:
    class Other(CharTokenizer):
        @property
        def state(self) -> dict[str, str]:
            return {"kind": "other"}

    with pytest.raises(UserError, match="the tokenizer 'other' cannot be exported"):
        fast_tokenizer(Other("ab"))
