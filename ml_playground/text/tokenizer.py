"""What every tokenizer can do, and how one is found again from its saved state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from ml_playground.errors import DataError
from ml_playground.text.bpe import BpeTokenizer
from ml_playground.text.char import CharTokenizer
from ml_playground.text.char_ngram import CharNgramTokenizer
from ml_playground.text.config import PrepareConfig, TokenizerKind
from ml_playground.text.ids import TokenIds
from ml_playground.text.tiktoken_bpe import TiktokenTokenizer

TokenizerState = dict[str, str]


class Tokenizer(Protocol):
    """Text to token ids and back. ``state`` is plain data: it travels in ``meta.json`` and in checkpoints."""

    @property
    def vocab_size(self) -> int:
        """Ids are ``0 .. vocab_size - 1``."""
        ...

    @property
    def end_of_text(self) -> int | None:
        """The id that stands behind every document; no text has it. None in vocabularies of old, without one."""
        ...

    @property
    def state(self) -> TokenizerState:
        """Everything :func:`load_tokenizer` needs to build the same tokenizer; ``kind`` names the class."""
        ...

    def encode(self, text: str | bytes) -> TokenIds:
        """Ids of a text, or of its UTF-8, shape (tokens,). Safe to call from several threads.

        Raises:
            DataError: the text has something the vocabulary lacks.
        """
        ...

    def cut(self, chunks: Iterable[bytes]) -> Iterator[str | bytes]:
        """A long text in pieces whose ids, put together, are those of the whole, however the chunks were cut.

        ``char_ngram`` promises so for the texts that its vocabulary is made of alone. For byte pair encodings see
        :mod:`ml_playground.text.pieces`.

        Args:
            chunks: The text as UTF-8, cut between characters.
        """
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        ...


def train_tokenizer(config: PrepareConfig, documents: Iterable[Iterable[bytes]]) -> Tokenizer:
    """Build the tokenizer that is asked for, from texts in UTF-8 where it needs some.

    Raises:
        DataError: tiktoken's encoding cannot be had.
    """
    match config.tokenizer:
        case TokenizerKind.char:
            return CharTokenizer.train(documents)
        case TokenizerKind.char_ngram:
            return CharNgramTokenizer.train(config.ngram, documents)
        case TokenizerKind.tiktoken:
            return TiktokenTokenizer(config.encoding)
        case TokenizerKind.bpe:
            return BpeTokenizer.train(config.vocab_size, documents)


def tokenizer_settings(config: PrepareConfig) -> list[str | int]:
    """The settings that decide what :func:`train_tokenizer` makes of a text, and no others."""
    match config.tokenizer:
        case TokenizerKind.char:
            return ["char"]
        case TokenizerKind.char_ngram:
            return ["char_ngram", config.ngram]
        case TokenizerKind.tiktoken:
            return ["tiktoken", config.encoding]
        case TokenizerKind.bpe:
            return ["bpe", config.vocab_size]


def load_tokenizer(state: TokenizerState) -> Tokenizer:
    """The tokenizer whose ``state`` this is.

    Raises:
        DataError: the state is of an unknown kind, or incomplete; or tiktoken's encoding cannot be had.
    """
    match state:
        case {"kind": "char", "characters": characters}:
            return CharTokenizer(characters, end_of_text="end_of_text" in state)
        case {"kind": "char_ngram", "tokens": tokens}:
            return CharNgramTokenizer(json.loads(tokens), end_of_text="end_of_text" in state)
        case {"kind": "tiktoken", "encoding": encoding}:
            return TiktokenTokenizer(encoding)
        case {"kind": "bpe", "definition": definition}:
            return BpeTokenizer(definition)
        case _:
            raise DataError(f"unknown tokenizer {state.get('kind', 'without a kind')!r}; prepare the data again")
