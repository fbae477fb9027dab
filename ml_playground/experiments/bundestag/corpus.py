"""A text source of many plenary debate files: protocols in all formats and plain texts, in any mixture."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.agenda import passages
from ml_playground.experiments.bundestag.reader import looks_like_xml, read_session
from ml_playground.experiments.bundestag.session import render
from ml_playground.terminal.console import say
from ml_playground.terminal.progress import ByteProgress
from ml_playground.text.config import LayoutConfig, OnBadFile
from ml_playground.text.source import Chunks, TextFile
from ml_playground.text.spool import Place, Spool

SUFFIXES = (".txt", ".xml")


def files_below(folder: Path) -> list[Path]:
    """Return the texts and protocols in a folder and its subfolders, sorted by path, without hidden and other files.

    Symbolic links to folders are followed unless they form a cycle.

    Raises:
        DataError: there are none.
    """
    files = sorted(path for path in _below(folder, frozenset()) if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise DataError(f"{folder}: holds no {' or '.join(SUFFIXES)} file; put texts or protocols into it")
    return files


def _below(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    real = folder.resolve()
    if real in above:
        return
    for path in folder.iterdir():
        if not path.name.startswith("."):
            yield from _below(path, above | {real}) if path.is_dir() else (path,)


@dataclass(frozen=True)
class Corpus:
    """Debates in order of date, followed by plain texts, which have no date, in order of name.

    A document is a passage of a sitting, or a text file; so no speech is ever cut in two.
    """

    description: str
    paths: Sequence[Path]
    layout: LayoutConfig
    on_bad_file: OnBadFile

    @property
    def fingerprint(self) -> str:
        """Digest of all files with their names, and of the settings that affect how they are read."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps([asdict(self.layout), self.on_bad_file.name]).encode())
        for path in self.paths:
            digest.update(f"\n{path.name} {_digest(path)}".encode())
        return digest.hexdigest()

    def documents(self) -> Iterator[Chunks]:
        """Yield the documents.

        Raises:
            DataError: no file can be read; or one cannot, and ``on_bad_file`` is ``stop``.
        """
        contents = self._contents
        for sitting in sorted(contents.sittings.values(), key=lambda one: (one.date, one.term, one.number)):
            for place in sitting.places:
                yield contents.spool.chunks(place)
        for text in contents.texts:
            yield text.chunks()

    @cached_property
    def _contents(self) -> _Contents:
        """Content of all files, each of which is read once."""
        contents = _Contents(self.layout)
        skipped = 0
        with ByteProgress("reading files", 0, None) as progress:
            for path in self.paths:
                try:
                    contents.add(path)
                    progress.advance(path.stat().st_size)
                except DataError as error:
                    if self.on_bad_file is OnBadFile.stop or len(self.paths) == 1:
                        fix = '; or set [prepare] on_bad_file = "skip"' if len(self.paths) > 1 else ""
                        raise DataError(f"{error}{fix}") from None
                    say(f"skipped: {error}")
                    skipped += 1
        if skipped:
            say(f"skipped {skipped:,} of {len(self.paths):,} files")
        if skipped == len(self.paths):
            raise DataError(f"{self.description}: none of its files can be read; see the lines above")
        return contents


@dataclass(frozen=True)
class _Sitting:
    """A protocol that has been read, and the positions of its documents in the spool."""

    path: Path
    term: int
    number: int
    date: date
    places: list[Place]


class _Contents:
    """Content of the files."""

    def __init__(self, layout: LayoutConfig) -> None:
        self.spool = Spool()
        self.sittings: dict[tuple[int, int], _Sitting] = {}
        self.texts: list[TextFile] = []
        self._layout = layout

    def add(self, path: Path) -> None:
        """Read a file.

        Raises:
            DataError: it cannot be read, or is a duplicate of a sitting.
        """
        if not looks_like_xml(path):
            file = TextFile(path)
            _ = file.fingerprint  # reads the file
            self.texts.append(file)
            return
        session = read_session(path)
        if other := self.sittings.get((session.term, session.number)):
            raise DataError(
                f"{path}: is session {session.term}/{session.number}, as {other.path} is; remove one of the two"
            )
        places = [self.spool.add(text) for part in passages(session) if (text := render(part, self._layout))]
        self.sittings[session.term, session.number] = _Sitting(path, session.term, session.number, session.date, places)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return "unreadable"  # whether this stops the run is decided when the file is read
