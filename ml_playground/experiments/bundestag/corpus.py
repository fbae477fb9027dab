"""Files of plenary debates as one source: protocols of all formats and plain texts, mixed as they may be."""

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
    """The texts and protocols below a folder, by name; hidden files and those of other kinds are left out.

    Links to folders are followed, unless they lead back to where they are.

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
    """Debates in order of date, and behind them plain texts, which have none, in order of name.

    A document is a passage of a sitting, or a text file; so no speech is ever cut in two.
    """

    description: str
    paths: Sequence[Path]
    layout: LayoutConfig
    on_bad_file: OnBadFile

    @property
    def fingerprint(self) -> str:
        """Of all files with their names, and of what decides how they are read."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps([asdict(self.layout), self.on_bad_file.name]).encode())
        for path in self.paths:
            digest.update(f"\n{path.name} {_digest(path)}".encode())
        return digest.hexdigest()

    def documents(self) -> Iterator[Chunks]:
        """Raises:
        DataError: no file can be read; or one cannot, and the run is to stop then.
        """
        contents = self._contents
        for sitting in sorted(contents.sittings.values(), key=lambda one: (one.date, one.term, one.number)):
            for place in sitting.places:
                yield contents.spool.chunks(place)
        for text in contents.texts:
            yield text.chunks()

    @cached_property
    def _contents(self) -> _Contents:
        """Of all files, which are read once."""
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
    """A protocol that has been read, and where its documents are in the spool."""

    path: Path
    term: int
    number: int
    date: date
    places: list[Place]


class _Contents:
    """What was in the files."""

    def __init__(self, layout: LayoutConfig) -> None:
        self.spool = Spool()
        self.sittings: dict[tuple[int, int], _Sitting] = {}
        self.texts: list[TextFile] = []
        self._layout = layout

    def add(self, path: Path) -> None:
        """Take in a file.

        Raises:
            DataError: it cannot be read, or is a sitting that has been there.
        """
        if not looks_like_xml(path):
            file = TextFile(path)
            _ = file.fingerprint  # reads it
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
        return "unreadable"  # whether that stops the run is decided when it is read
