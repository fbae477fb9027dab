"""Texts that were costly to make, kept on disk for as long as the process needs them."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass

from ml_playground.text.source import Chunks


@dataclass(frozen=True)
class Place:
    """Where a text is, in bytes."""

    start: int
    size: int


class Spool:
    """A file without a name in the system's temporary folder: it ends with the process, however that ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the spool lives
        weakref.finalize(self, self._file.close)

    def add(self, text: str) -> Place:
        """Put a text behind the others."""
        start = self._file.seek(0, 2)
        return Place(start, self._file.write(text.encode()))

    def chunks(self, place: Place) -> Chunks:
        """The text again, in one piece."""
        self._file.seek(place.start)
        yield self._file.read(place.size)
