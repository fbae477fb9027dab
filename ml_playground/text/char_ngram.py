"""Up to n characters per token: greedy longest match from left to right."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from ml_playground.text.ids import END_OF_TEXT, TokenIds, token_ids
from ml_playground.text.tokenizer import TokenizerKind, tokenizers
from ml_playground.text.unknown import unknown

_TOKENS_A_PIECE = 1 << 16


class CharNgramTokenizer:
    """The vocabulary consists of all n-grams of 1 to n characters that occur in the text, shorter ones first.

    Nearly every token of the training text therefore has n characters, wherever the text is split into train and val.
    Shorter tokens cover the end of a text, and other texts that combine the same characters differently. With n = 1 the
    ids are those of :class:`~ml_playground.text.char.CharTokenizer`. The end-of-text token comes last. The vocabulary
    grows fast with n.
    """

    start_of_text = None

    def __init__(self, tokens: list[str], *, end_of_text: bool = True) -> None:
        """Create a tokenizer for a vocabulary.

        Args:
            tokens: The vocabulary; a token's position is its id. Every character of a token must be a token, too.
            end_of_text: Whether the last token is the end-of-text token; checkpoints of earlier versions have none.
        """
        self._tokens = tokens
        self.end_of_text = len(tokens) if end_of_text else None
        self._shown = [*tokens, END_OF_TEXT] if end_of_text else tokens
        self._ids = {token: place for place, token in enumerate(tokens)}
        self._longest = max(map(len, tokens), default=1)

    @classmethod
    def train(cls, ngram: int, documents: Iterable[Iterable[bytes]]) -> CharNgramTokenizer:
        """Build the tokenizer from texts, with at most ``ngram`` characters per token."""
        seen: set[str] = set()
        for document in documents:
            tail = ""
            for chunk in document:
                text = tail + chunk.decode()
                for length in range(1, ngram + 1):
                    seen.update([text[start : start + length] for start in range(len(text) - length + 1)])
                tail = text[max(0, len(text) - ngram + 1) :]  # n-grams that extend into the next chunk start here
        return cls(sorted(seen, key=lambda token: (len(token), token)))

    @property
    def vocab_size(self) -> int:
        return len(self._shown)

    @property
    def state(self) -> dict[str, str]:
        state = {"kind": "char_ngram", "tokens": json.dumps(self._tokens)}
        return state if self.end_of_text is None else {**state, "end_of_text": END_OF_TEXT}

    def encode(self, text: str | bytes) -> TokenIds:
        text = text if isinstance(text, str) else text.decode()
        ids: list[int] = []
        position = 0
        while position < len(text):
            for end in range(position + self._longest, position, -1):
                if (token := self._ids.get(text[position:end])) is not None:
                    ids.append(token)
                    position += len(self._tokens[token])
                    break
            else:
                raise unknown({character for character in text if character not in self._ids})
        return token_ids(ids, self.vocab_size)

    def cut(self, chunks: Iterable[bytes]) -> Iterator[str]:
        # The vocabulary has every n-gram of its training texts, so all tokens before such a cut have full length.
        size = self._longest * _TOKENS_A_PIECE
        rest = ""
        for chunk in chunks:
            rest += chunk.decode()
            start = 0
            while len(rest) - start >= size:
                yield rest[start : start + size]
                start += size
            rest = rest[start:]
        if rest:
            yield rest

    def decode(self, ids: Sequence[int]) -> str:
        return "".join([self._shown[token] for token in ids])


tokenizers.register("char_ngram")(
    TokenizerKind(
        train=lambda config, documents: CharNgramTokenizer.train(config.ngram, documents),
        load=lambda state: CharNgramTokenizer(json.loads(state["tokens"]), end_of_text="end_of_text" in state),
        settings=lambda config: [config.ngram],
    )
)
