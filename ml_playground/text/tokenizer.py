"""Interface of all tokenizers, and the registry that restores one from its saved state.

A tokenizer is defined in a module of ``ml_playground.text``, or in one that another package lists under the entry point
group ``ml_playground.tokenizers``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeGuard, runtime_checkable

from ml_playground.errors import DataError, UserError
from ml_playground.registry import Registry
from ml_playground.text.config import PrepareConfig

if TYPE_CHECKING:
    from ml_playground.text.chat_template import ChatTemplate
    from ml_playground.text.ids import TokenIds

TokenizerState = dict[str, str]


class Tokenizer(Protocol):
    """Converts text to token ids and back. ``state`` is plain data, stored in ``meta.json`` and in checkpoints."""

    @property
    def vocab_size(self) -> int:
        """Ids are ``0 .. vocab_size - 1``."""
        ...

    @property
    def end_of_text(self) -> int | None:
        """Id that ends every document and never occurs in a text; None in vocabularies of earlier versions."""
        ...

    @property
    def start_of_text(self) -> int | None:
        """Id that a text begins with when it is sampled; None for vocabularies without one."""
        ...

    @property
    def state(self) -> TokenizerState:
        """Everything :func:`load_tokenizer` needs to build the same tokenizer; ``kind`` names the class."""
        ...

    def encode(self, text: str | bytes) -> TokenIds:
        """Encode a text, given as a string or as UTF-8, to ids of shape (tokens,). Thread-safe.

        Raises:
            DataError: the text has characters that are not in the vocabulary.
        """
        ...

    def cut(self, chunks: Iterable[bytes]) -> Iterator[str | bytes]:
        """Split a long text into pieces whose concatenated ids are those of the whole, whatever the chunk boundaries.

        ``char_ngram`` guarantees this only for the texts its vocabulary was built from. For byte pair encodings see
        :mod:`ml_playground.text.pieces`.

        Args:
            chunks: The text as UTF-8, split between characters.
        """
        ...

    def decode(self, ids: Sequence[int]) -> str:
        """Decode ids to text."""
        ...


@runtime_checkable
class ChatTokenizer(Tokenizer, Protocol):
    """A tokenizer that may have a chat template."""

    @property
    def template(self) -> ChatTemplate | None:
        """The template that the data was rendered with; None for plain text."""
        ...

    @property
    def special(self) -> dict[str, int]:
        """Ids of the special tokens, by their text."""
        ...

    @property
    def end_tokens(self) -> frozenset[int]:
        """Ids that end a sample."""
        ...

    def encode_turn(self, prompt: str) -> TokenIds:
        """Encode a user's turn of a chat, up to where the answer begins, to ids of shape (tokens,)."""
        ...


def is_chat(tokenizer: Tokenizer) -> TypeGuard[ChatTokenizer]:
    """Return whether a tokenizer has a chat template."""
    return isinstance(tokenizer, ChatTokenizer) and tokenizer.template is not None


Documents = Iterable[Iterable[bytes]]
"""Texts, each in chunks of UTF-8."""


@dataclass(frozen=True)
class TokenizerKind:
    """A type of tokenizer, selected by ``[prepare] tokenizer``."""

    train: Callable[[PrepareConfig, Documents], Tokenizer]
    """Builds a tokenizer, from texts if it needs any."""
    load: Callable[[TokenizerState], Tokenizer]
    """Restores a tokenizer from its state. Raises KeyError if the state is incomplete."""
    settings: Callable[[PrepareConfig], list[str | int]] = lambda _: []
    """Returns the settings that affect the result of ``train``."""


tokenizers: Registry[TokenizerKind] = Registry("tokenizer", "ml_playground.text", "ml_playground.tokenizers")
register_tokenizer = tokenizers.register


def train_tokenizer(config: PrepareConfig, documents: Documents) -> Tokenizer:
    """Build the configured tokenizer, from texts in UTF-8 if it needs any.

    Raises:
        DataError: tiktoken's encoding is not available.
    """
    return tokenizers.get(config.tokenizer).train(config, documents)


def tokenizer_settings(config: PrepareConfig) -> list[str | int]:
    """Return the settings that affect the result of :func:`train_tokenizer`, and no others."""
    return [config.tokenizer, *tokenizers.get(config.tokenizer).settings(config)]


def load_tokenizer(state: TokenizerState) -> Tokenizer:
    """Restore a tokenizer from its ``state``.

    Raises:
        DataError: the state is of an unknown kind or incomplete, or tiktoken's encoding is not available.
    """
    kind = state.get("kind", "")
    try:
        return tokenizers.get(kind).load(state)
    except (UserError, KeyError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"unknown tokenizer {kind or 'without a kind'!r}; prepare the data again") from None
