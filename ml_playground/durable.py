"""Atomic, durable writes: files and folders are complete or absent, even after a crash or a power cut."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import math
import os
import socket
import stat
import time
from collections.abc import Generator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

# A listing that tests whether a lock is held briefly holds it itself.
_PATIENCE_SECONDS = 0.2


@contextlib.contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """Open a file that replaces ``path`` atomically when the block ends without an error.

    The data is flushed to disk before the rename: otherwise a power cut could leave an empty file (ext4's delayed
    allocation).
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading, but refuse pipes and devices, which could block a reader forever.

    Raises:
        OSError: it is not a regular file, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path) -> bytes:
    """Return the content of a file, opened with :func:`open_regular`."""
    with open_regular(path) as file:
        return file.read()


def write_text(path: Path, text: str) -> None:
    """Replace a file's content atomically with ``text`` in UTF-8."""
    with replacing(path) as file:
        file.write(text.encode())


def to_json(value: object, indent: int | None = None) -> str:
    """Serialize to strict JSON; numbers that are not finite, which it lacks, become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False) + "\n"


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in cast("dict[str, object]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in cast("list[object]", value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LockedError(Exception):
    """Another process holds the lock; ``owner`` says which."""

    def __init__(self, owner: str) -> None:
        super().__init__(owner)
        self.owner = owner


@contextlib.contextmanager
def lock(path: Path, *, wait: bool = False) -> Generator[None]:
    """Hold an exclusive lock on a file. The kernel releases it when the process dies, so there are no stale locks.

    Raises:
        LockedError: another process holds it and ``wait`` is false.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    file.seek(0)
                    raise LockedError(_owner(file.read())) from None
                time.sleep(0.01)
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        file.flush()
        yield


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock; checking does not take it away from the holder."""
    if not path.is_file():
        return False
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _owner(text: str) -> str:
    # The holder may have acquired the lock but not yet written its id.
    with contextlib.suppress(json.JSONDecodeError):
        owner = json.loads(text)
        return f"process {owner['pid']} on {owner['host']}"
    return "another process"
