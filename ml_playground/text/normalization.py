"""A text in one form of Unicode."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from ml_playground.text.config import Normalization
from ml_playground.text.source import Chunks, TextSource


def normalized(text: str, form: Normalization) -> str:
    """The text in that form (Unicode Standard Annex 15)."""
    match form:
        case Normalization.NFC:
            return unicodedata.normalize("NFC", text)
        case Normalization.NFD:
            return unicodedata.normalize("NFD", text)
        case Normalization.none:
            return text


@dataclass(frozen=True)
class NormalizedSource:
    """Another source, in one form."""

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
        # A character and its accents may be in two chunks, but nothing joins across the end of a line.
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
