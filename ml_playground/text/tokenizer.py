"""What every tokenizer can do, and how one is found again from its saved state.

A tokenizer is a module of ``ml_playground.text``, or one that another package names under the entry point group
``ml_playground.tokenizers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ml_playground.errors import DataError, UserError
from ml_playground.registry import Registry
from ml_playground.text.config import PrepareConfig

if TYPE_CHECKING:
    from ml_playground.text.ids import TokenIds

TokenizerState = dict[str, str]


class Tokenizer(Protocol):
    """Text to token ids and back. ``state`` is plain data: it travels in ``meta.json`` and in checkpoints."""

    @property
    def vocab_size(self) -> int:
        """Ids are ``0 .. vocab_size - 1``."""
        ...

    @property
    def end_of_text(self) -> int | None:
        """The id at the end of every document; no text has it. None in vocabularies of earlier versions."""
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


Documents = Iterable[Iterable[bytes]]
"""Texts, each in chunks of UTF-8."""


@dataclass(frozen=True)
class TokenizerKind:
    """A class of tokenizers, as ``[prepare] tokenizer`` names it."""

    train: Callable[[PrepareConfig, Documents], Tokenizer]
    """Build one, from texts where it needs some."""
    load: Callable[[TokenizerState], Tokenizer]
    """Build one from its state. A state that lacks something raises KeyError."""
    settings: Callable[[PrepareConfig], list[str | int]] = lambda _: []
    """The settings that decide what ``train`` makes of a text."""


tokenizers: Registry[TokenizerKind] = Registry("tokenizer", "ml_playground.text", "ml_playground.tokenizers")
register_tokenizer = tokenizers.register


def train_tokenizer(config: PrepareConfig, documents: Documents) -> Tokenizer:
    """Build the tokenizer that is asked for, from texts in UTF-8 where it needs some.

    Raises:
        DataError: tiktoken's encoding cannot be had.
    """
    return tokenizers.get(config.tokenizer).train(config, documents)


def tokenizer_settings(config: PrepareConfig) -> list[str | int]:
    """The settings that decide what :func:`train_tokenizer` makes of a text, and no others."""
    return [config.tokenizer, *tokenizers.get(config.tokenizer).settings(config)]


def load_tokenizer(state: TokenizerState) -> Tokenizer:
    """The tokenizer whose ``state`` this is.

    Raises:
        DataError: the state is of an unknown kind, or incomplete; or tiktoken's encoding cannot be had.
    """
    kind = state.get("kind", "")
    try:
        return tokenizers.get(kind).load(state)
    except (UserError, KeyError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"unknown tokenizer {kind or 'without a kind'!r}; prepare the data again") from None
