"""One token per character, as in Karpathy's char-rnn and nanoGPT's ``shakespeare_char``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ml_playground.text.ids import END_OF_TEXT, TokenIds, id_dtype, token_ids
from ml_playground.text.tokenizer import TokenizerKind, tokenizers
from ml_playground.text.unknown import unknown

_ASCII = 0x80
_RARE = 0xFF
_CONTINUATION = bytes(range(0x80, 0xC0))


class CharTokenizer:
    """Character-level tokenizer: the text's characters in code point order, followed by the end-of-text token.

    The characters therefore have the same ids as in nanoGPT. Encoding works on UTF-8 bytes: common characters, those
    with one byte and a small id, are looked up by that byte; only the others, rare in most texts, are decoded.
    """

    start_of_text = None

    def __init__(self, characters: str, *, end_of_text: bool = True) -> None:
        """Create a tokenizer for a vocabulary.

        Args:
            characters: The vocabulary, without duplicates; a character's position is its id.
            end_of_text: Whether the last token is the end-of-text token; checkpoints of earlier versions have none.
        """
        self.characters = characters
        self.end_of_text = len(characters) if end_of_text else None
        self._shown = [*characters, END_OF_TEXT] if end_of_text else list(characters)
        points = _code_points(_utf8(characters))
        # Ids by code point; vocab_size marks unknown characters, including all code points past the end of the table.
        self._ids = np.full(int(points.max(initial=0)) + 2, self.vocab_size, dtype=id_dtype(self.vocab_size + 1))
        self._ids[points] = np.arange(len(characters))
        common = {point: place for place, point in enumerate(points.tolist()) if point < _ASCII and place < _RARE}
        self._common = bytes(common)
        self._ids_of_bytes = bytes(common.get(byte, _RARE) for byte in range(0x100))

    @classmethod
    def train(cls, documents: Iterable[Iterable[bytes]]) -> CharTokenizer:
        """Build the tokenizer from texts."""
        seen: set[str] = set()
        common = b""
        for chunk in (chunk for document in documents for chunk in document):
            seen.update(chunk.translate(None, common).decode("utf-8", "surrogatepass"))
            common = bytes(ord(character) for character in seen if ord(character) < _ASCII)
        return cls("".join(sorted(seen)))

    @property
    def vocab_size(self) -> int:
        return len(self._shown)

    @property
    def state(self) -> dict[str, str]:
        state = {"kind": "char", "characters": self.characters}
        return state if self.end_of_text is None else {**state, "end_of_text": END_OF_TEXT}

    def encode(self, text: str | bytes) -> TokenIds:
        block = _utf8(text)
        first = np.frombuffer(block.translate(self._ids_of_bytes, _CONTINUATION), dtype=np.uint8)
        ids = first.astype(self._ids.dtype)
        rare = np.flatnonzero(first == _RARE)
        if len(rare):
            ids[rare] = found = self._ids.take(self._rare_points(block, len(rare)), mode="clip")
            if int(found.max()) == self.vocab_size:
                raise unknown(set(block.decode("utf-8", "surrogatepass")) - set(self.characters))
        return token_ids(ids, self.vocab_size)

    def _rare_points(self, block: bytes, count: int) -> NDArray[np.uint32]:
        """Return the code points of the characters that are not common."""
        units = np.frombuffer(block, dtype=np.uint8)
        points = _code_points(units[units >= _ASCII].tobytes())
        # An ASCII character is rare only if the vocabulary has another order or lacks it.
        return points if len(points) == count else _code_points(block.translate(None, self._common))

    def cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield from chunks

    def decode(self, ids: Sequence[int]) -> str:
        return "".join([self._shown[token] for token in ids])


def _utf8(text: str | bytes) -> bytes:
    # Strict encoding raises for surrogates, which must be reported as unknown characters instead.
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def _code_points(block: bytes) -> NDArray[np.uint32]:
    text = block.decode("utf-8", "surrogatepass")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


tokenizers.register("char")(
    TokenizerKind(
        train=lambda _, documents: CharTokenizer.train(documents),
        load=lambda state: CharTokenizer(state["characters"], end_of_text="end_of_text" in state),
    )
)
