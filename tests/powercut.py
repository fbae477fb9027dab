"""What a disk holds when the machine stops in the middle of a sequence of file operations.

:class:`Recorder` notes what the code under test asks of the system. :class:`Disk` follows the notes up to any point,
with the guarantees of POSIX and no more: bytes are safe after the file's fsync, names after the folder's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self, cast

import pytest

Operation = tuple[str, *tuple[Any, ...]]


class RecordedFile:
    """A file opened for writing, which notes what is done with it."""

    def __init__(self, file: IO[bytes], number: int, recorder: Recorder) -> None:
        self._file = file
        self._number = number
        self._recorder = recorder
        self.name = file.name

    def write(self, data: bytes) -> int:
        self._recorder.operations.append(("write", self._number, bytes(data)))
        return self._file.write(data)

    def flush(self) -> None:
        self._recorder.operations.append(("flush", self._number))
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._recorder.operations.append(("flush", self._number))
        self._recorder.descriptors.pop(self._file.fileno())
        self._file.close()


class Recorder:
    """Stands between the code under test and the system, for one folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, hard_links: bool = True) -> None:
        self.operations: list[Operation] = []
        self.descriptors: dict[int, int | None] = {}
        """File numbers by descriptor; None for the folder."""
        self._folder = folder
        real_open, real_os_open, real_close = Path.open, os.open, os.close
        real_fsync, real_replace, real_link, real_unlink = os.fsync, os.replace, os.link, Path.unlink
        files = 0

        def path_open(path: Path, mode: str = "r", *arguments: Any, **keywords: Any) -> object:
            nonlocal files
            opened = real_open(path, mode, *arguments, **keywords)
            if mode in ("r", "rb"):
                return opened
            assert mode == "wb", f"{mode}: the model of the disk does not know this"
            files += 1
            self.operations.append(("create", path.name, files))
            self.descriptors[opened.fileno()] = files
            return RecordedFile(cast("IO[bytes]", opened), files, self)

        def os_open(path: Path, flags: int) -> int:
            descriptor = real_os_open(path, flags)
            if flags == os.O_RDONLY | os.O_NONBLOCK:  # reads a file, and so changes nothing
                return descriptor
            assert (Path(path), flags) == (folder, os.O_RDONLY)
            self.descriptors[descriptor] = None
            return descriptor

        def close(descriptor: int) -> None:
            self.descriptors.pop(descriptor)
            real_close(descriptor)

        def fsync(descriptor: int) -> None:
            number = self.descriptors[descriptor]
            self.operations.append(("sync folder",) if number is None else ("sync", number))
            real_fsync(descriptor)

        def replace(source: Path, target: Path) -> None:
            real_replace(source, target)
            self.operations.append(("rename", source.name, target.name))

        def link(source: Path, target: Path) -> None:
            if not hard_links:
                raise OSError("no links on this file system")
            real_link(source, target)
            self.operations.append(("link", source.name, target.name))

        def unlink(path: Path, *, missing_ok: bool = False) -> None:
            if path.exists():
                self.operations.append(("unlink", path.name))
            real_unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "open", path_open)
        monkeypatch.setattr(Path, "unlink", unlink)
        for name, recorded in (
            ("open", os_open), ("close", close), ("fsync", fsync), ("replace", replace), ("link", link)
        ):  # fmt: skip
            monkeypatch.setattr(os, name, recorded)

    def note(self, *words: Any) -> None:
        """Put a mark between the operations."""
        self.operations.append(("note", *words))


@dataclass
class _Content:
    buffered: bytes = b""
    """By the process."""
    written: bytes = b""
    """As the system has it."""
    synced: bool = False


@dataclass
class Disk:
    """A folder after some operations: what processes see, and what is safe."""

    contents: dict[int, _Content] = field(default_factory=dict[int, _Content])
    seen: dict[str, int] = field(default_factory=dict[str, int])
    safe: dict[str, int] = field(default_factory=dict[str, int])
    unsafe: list[dict[str, int | None]] = field(default_factory=list[dict[str, "int | None"]])
    """Changes of names since the folder's last fsync."""

    @classmethod
    def holding(cls, files: dict[str, bytes]) -> Disk:
        """A folder in which everything is safe."""
        numbers = {name: -number for number, name in enumerate(files, start=1)}
        contents = {numbers[name]: _Content(data, data, synced=True) for name, data in files.items()}
        return cls(contents, dict(numbers), dict(numbers))

    def follow(self, operations: Sequence[Operation]) -> Disk:
        """Do what was recorded."""
        for verb, *words in operations:
            match verb, words:
                case "create", [name, number]:
                    self.contents[number] = _Content()
                    self._change({name: number})
                case "write", [number, data]:
                    self.contents[number].buffered += data
                case "flush", [number]:
                    content = self.contents[number]
                    if content.written != content.buffered:
                        content.written, content.synced = content.buffered, False
                case "sync", [number]:
                    self.contents[number].synced = True
                case "sync folder", []:
                    self.safe, self.unsafe = dict(self.seen), []
                case "rename", [source, target]:
                    self._change({target: self.seen[source], source: None})
                case "link", [source, target]:
                    self._change({target: self.seen[source]})
                case "unlink", [name]:
                    self._change({name: None})
                case _:
                    assert verb == "note", verb
        return self

    def after_kill(self) -> dict[str, bytes]:
        """The files when only the process stops: the system keeps what it was given."""
        return {name: self.contents[number].written for name, number in self.seen.items()}

    def after_power_cut(self, survivors: Sequence[bool], chance: random.Random) -> dict[str, bytes]:
        """The files when the machine stops, with the given ones of the unsafe changes of names."""
        names: dict[str, int | None] = dict(self.safe)
        for change, survives in zip(self.unsafe, survivors, strict=True):
            names.update(change if survives else {})
        return {name: self._left_of(number, chance) for name, number in names.items() if number is not None}

    def _left_of(self, number: int, chance: random.Random) -> bytes:
        content = self.contents[number]
        if content.synced:
            return content.written
        cut = chance.choice([0, chance.randint(0, len(content.written))])
        return content.written[:cut] + bytes(chance.choice([0, len(content.written) - cut]))

    def _change(self, names: dict[str, int | None]) -> None:
        self.unsafe.append(names)
        for name, number in names.items():
            if number is None:
                del self.seen[name]
            else:
                self.seen[name] = number
