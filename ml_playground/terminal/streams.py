"""Standard output and error that never raise if they are closed, on a full disk, or cannot encode a character.

The results of a run are in its files; a closed pipe (``| head``), a closed terminal or a Latin-1 locale must not make
it fail.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def forgive_streams() -> None:
    """Make printing never raise: output that cannot be written is dropped, and unencodable characters become ``?``."""
    if sys.stdout is sys.__stdout__:
        sys.stdout = _forgiving(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _forgiving(sys.stderr, 2)


def _forgiving(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:  # closed before the process started; its descriptor may belong to another file now
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # open for the lifetime of the process
    stream.flush()
    raw = io.BufferedWriter(_Forgiving(descriptor))
    return io.TextIOWrapper(raw, stream.encoding, errors="replace", line_buffering=True)


class _Forgiving(io.RawIOBase):
    """Raw stream that ignores write errors."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return os.write(self._descriptor, data)
        except OSError:
            return memoryview(data).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)
