"""Incremental decoding of token ids into text."""

from __future__ import annotations

from collections.abc import Sequence

from ml_playground.text.tokenizer import Tokenizer

_LONGEST_CHARACTER = 4
_CONTEXT = 4
_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class TextStream:
    """Text of one sample, as far as it is final.

    Text is held back while a byte-level token is only part of a character, or while the end of the text may be the
    start of a stop string.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        stop: Sequence[str] = (),
        prompt: Sequence[int] = (),
        end_tokens: frozenset[int] = frozenset(),
    ) -> None:
        """Start an empty stream.

        Args:
            tokenizer: Decodes the ids.
            stop: The text ends before the first of these strings.
            prompt: Ids that the text continues.
            end_tokens: Ids that complete the text, besides the tokenizer's end-of-text token.
        """
        self.text = ""
        self.done = False
        """Whether the text is complete."""
        self._tokenizer = tokenizer
        self._stop = stop
        self._end_tokens = end_tokens | {tokenizer.end_of_text}
        self._ids: list[int] = []
        self._before = list(prompt[-_CONTEXT:])
        """Some tokens are other characters at the beginning of a text than after these."""
        self._held = ""

    def push(self, token: int) -> None:
        """Add the next id. An end token completes the text; later ids are ignored."""
        if token in self._end_tokens:
            self.finish()
        if self.done:
            return
        self._ids.append(token)
        piece = self._decode()
        if not piece.endswith(_INCOMPLETE) or len(self._ids) > _LONGEST_CHARACTER:
            self._before, self._ids = self._ids, []
            self._add(piece)

    def finish(self) -> None:
        """Complete the text, including what was held back."""
        if not self.done:
            self._add(self._decode())
            self.text += self._held
            self.done = True

    def _decode(self) -> str:
        before = self._tokenizer.decode(self._before)
        return self._tokenizer.decode([*self._before, *self._ids])[len(before) :]

    def _add(self, piece: str) -> None:
        held = self._held + piece
        ends = [place for stop in self._stop if (place := held.find(stop)) >= 0]
        if ends:
            self.text += held[: min(ends)]
            self._held = ""
            self.done = True
            return
        certain = len(held) - self._possible_start(held)
        self.text += held[:certain]
        self._held = held[certain:]

    def _possible_start(self, text: str) -> int:
        """Return the length of the longest suffix of a text that is a proper prefix of a stop string."""
        longest = max((len(stop) - 1 for stop in self._stop), default=0)
        lengths = range(min(longest, len(text)), 0, -1)
        return next((n for n in lengths if any(stop.startswith(text[-n:]) for stop in self._stop)), 0)
