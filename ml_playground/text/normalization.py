"""Unicode normalization of texts."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from ml_playground.text.config import Normalization
from ml_playground.text.source import Chunks, TextSource


def normalized(text: str, form: Normalization) -> str:
    """Return the text in a normalization form (Unicode Standard Annex 15)."""
    match form:
        case Normalization.NFC:
            return unicodedata.normalize("NFC", text)
        case Normalization.NFD:
            return unicodedata.normalize("NFD", text)
        case Normalization.none:
            return text


@dataclass(frozen=True)
class NormalizedSource:
    """Another source, normalized."""

    source: TextSource
    form: Normalization

    @property
    def description(self) -> str:
        return f"{self.source.description}, in {self.form.name}"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.form.name} {self.source.fingerprint}".encode()).hexdigest()

    def documents(self) -> Iterator[Chunks]:
        return map(self._normalized, self.source.documents())

    def _normalized(self, chunks: Chunks) -> Chunks:
        # A character and its combining marks may be in different chunks, but normalization never crosses a line feed.
        rest = b""
        for chunk in chunks:
            whole, line_feed, rest_of_chunk = chunk.rpartition(b"\n")
            if line_feed:
                yield normalized((rest + whole + line_feed).decode(), self.form).encode()
                rest = rest_of_chunk
            else:
                rest += chunk
        if rest:
            yield normalized(rest.decode(), self.form).encode()
