"""Temporary on-disk storage for texts that are expensive to produce, for the lifetime of the process."""

from __future__ import annotations

import tempfile
import weakref
from dataclasses import dataclass

from ml_playground.text.source import Chunks


@dataclass(frozen=True)
class Place:
    """Position of a text, in bytes."""

    start: int
    size: int


class Spool:
    """An anonymous file in the system's temporary folder: it disappears with the process, however that ends."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # open for as long as the spool lives
        weakref.finalize(self, self._file.close)

    def add(self, text: str) -> Place:
        """Append a text."""
        start = self._file.seek(0, 2)
        return Place(start, self._file.write(text.encode()))

    def chunks(self, place: Place) -> Chunks:
        """Return the text, in one chunk."""
        self._file.seek(place.start)
        yield self._file.read(place.size)
