"""Examples of instruction data: rows as tokens, with a mask of their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ml_playground.errors import DataError
from ml_playground.text.chat_template import MarkedText
from ml_playground.text.config import PrepareConfig, Truncation
from ml_playground.text.conversation import Conversation, RowError
from ml_playground.text.hf import load_hugging_face_tokenizer
from ml_playground.text.ids import TokenIds

_SHOWN = 5
"""Tokens to show of what was cut."""


@dataclass(frozen=True)
class Example:
    """A row as tokens, shape (tokens,), with a mask of the same shape: 1 for tokens that count in the loss."""

    row: Conversation
    ids: TokenIds
    mask: NDArray[np.uint8]
    tokens: int
    """Number of tokens before truncation."""
    cut: str
    """Beginning of the text that was cut."""
    ended: bool
    """Whether the answer had no end, and the end-of-text token was added."""
    unmarked: int
    """Answers that do not count, as the template gives no way to mark them."""


class ExampleEncoder:
    """Turns rows into examples. The chat template is only loaded where a row needs it."""

    def __init__(self, config: PrepareConfig) -> None:
        self._config = config
        self.tokenizer = load_hugging_face_tokenizer(config)
        self._special = [token for token in self.tokenizer.special if token]

    def encode(self, rows: Sequence[Conversation | RowError]) -> Iterator[Example | RowError]:
        """Encode rows on all cores; those that cannot be trained on become errors.

        Raises:
            DataError: If there is a chat, and the tokenizer has no template.
        """
        marked = [self._marked(row) if isinstance(row, Conversation) else row for row in rows]
        encoded = iter(self.tokenizer.encode_marked([text for text in marked if isinstance(text, MarkedText)]))
        for row, text in zip(rows, marked, strict=True):
            if isinstance(text, RowError):
                yield text
            elif isinstance(row, Conversation):
                yield self._example(row, text, *next(encoded))

    def _marked(self, row: Conversation) -> MarkedText | RowError:
        for message in row.messages:
            if found := next((token for token in self._special if token in message["content"]), None):
                return RowError(row.line, f"its text contains the special token {found!r}")
        if not row.chat:
            prompt, completion = (message["content"] for message in row.messages)
            return MarkedText(prompt + completion, [(len(prompt), len(prompt) + len(completion))])
        if self.tokenizer.template is None:
            self.tokenizer = load_hugging_face_tokenizer(self._config, chat=True)
        template = self.tokenizer.template
        assert template is not None, "it was asked for"
        try:
            return template.mark(row.messages)
        except DataError as error:
            return RowError(row.line, str(error))

    def _example(
        self, row: Conversation, text: MarkedText, ids: TokenIds, mask: NDArray[np.uint8]
    ) -> Example | RowError:
        start, end = self.tokenizer.start_of_text, self.tokenizer.end_of_text
        assert end is not None, "the tokenizer has been checked for it"
        if not row.chat and start is not None:
            ids, mask = _with(ids, mask, 0, start, counts=False)
        mask[:1] = 0  # nothing predicts the first token
        # Without an end, a model never learns to stop: plain completions have none, and some templates neither.
        ended = row.chat and self._ends(text)
        if mask.any() and not ended:
            ids, mask = _with(ids, mask, len(ids), end, counts=True)
        most, tokens, truncation = self._config.instructions.max_tokens, len(ids), self._config.instructions.truncation
        cut = ""
        if tokens > most:
            if truncation is Truncation.refuse:
                return RowError(row.line, f"has {tokens:,} tokens, more than max_tokens = {most:,}")
            kept, lost = (
                (slice(most), ids[most:]) if truncation is Truncation.end else (slice(-most, None), ids[:-most])
            )
            ids, mask, cut = ids[kept], mask[kept], self.tokenizer.decode(lost[:_SHOWN].tolist())
            mask[0] = 0
        if not mask.any():
            after = f": of its {tokens:,} tokens {most:,} are kept" if cut else ""
            return RowError(row.line, f"has no token that counts{after}")
        return Example(row, ids, mask, tokens, cut, row.chat and not ended, text.unmarked)

    def _ends(self, text: MarkedText) -> bool:
        """Whether a special token ends the last answer."""
        first, last = text.answers[-1] if text.answers else (0, 0)
        return text.text[first:last].rstrip().endswith(tuple(self._special))


def _with(
    ids: TokenIds, mask: NDArray[np.uint8], place: int, token: int, *, counts: bool
) -> tuple[TokenIds, NDArray[np.uint8]]:
    """Insert a token."""
    both = np.insert(ids, place, token), np.insert(mask, place, counts)
    return cast("tuple[TokenIds, NDArray[np.uint8]]", both)  # whose dtypes are kept
