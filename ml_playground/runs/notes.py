"""``notes.jsonl``: what people say about a run, one JSON object a line, only ever appended to."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ml_playground.durable import read_regular, to_json
from ml_playground.errors import RunError
from ml_playground.runs.manifest import now

NOTES = "notes.jsonl"


@dataclass(frozen=True)
class Note:
    """A text about a run."""

    time: str
    """In UTC."""
    text: str


def add_note(folder: Path, text: str) -> None:
    """Add a note.

    Raises:
        RunError: If it cannot be written.
    """
    _append(folder, {"note": text})


def archive(folder: Path, *, archived: bool) -> None:
    """Hide a run from listings, or show it again.

    Raises:
        RunError: If it cannot be written.
    """
    _append(folder, {"archived": archived})


def refer(folder: Path, page: Path) -> None:
    """Record that a page compares the run, which is kept as long as the page exists.

    Raises:
        RunError: If it cannot be written.
    """
    if page.absolute() not in references(folder):
        _append(folder, {"compared_in": str(page.absolute())})


def read_notes(folder: Path) -> list[Note]:
    """Read the notes of a run, oldest first."""
    return [Note(str(entry.get("time", "")), str(entry["note"])) for entry in _entries(folder) if "note" in entry]


def is_archived(folder: Path) -> bool:
    """Return whether a run is hidden from listings."""
    states = [entry["archived"] for entry in _entries(folder) if "archived" in entry]
    return bool(states) and states[-1] is True


def references(folder: Path) -> list[Path]:
    """Return the existing pages that compare the run."""
    paths = [Path(str(entry["compared_in"])) for entry in _entries(folder) if "compared_in" in entry]
    return [path for path in paths if path.exists()]


def _append(folder: Path, entry: dict[str, object]) -> None:
    line = to_json({"time": now(), **entry}).encode()
    path = folder / NOTES
    try:
        # One write at the end of the file: two processes may add notes at the same time.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            file.write(line)
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}") from None


def _entries(folder: Path) -> list[dict[str, object]]:
    try:
        lines = read_regular(folder / NOTES).split(b"\n")
    except OSError:
        return []
    return [entry for line in lines if (entry := _entry(line)) is not None]


def _entry(line: bytes) -> dict[str, object] | None:
    try:
        entry: object = json.loads(line)
    except (ValueError, RecursionError):  # a partial line of a killed process
        return None
    return cast("dict[str, object]", entry) if isinstance(entry, dict) else None
