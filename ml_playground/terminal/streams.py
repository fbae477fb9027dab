"""Standard output and error that cannot fail a run: they may be closed, full, or of an encoding that lacks a character.

What a run computes is in its files; a reader that has gone (``| head``), a terminal that was closed, or a Latin-1
locale must not lose it.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def forgive_streams() -> None:
    """Let printing never raise from here on: what cannot be written is left out, and a character shown as ``?``."""
    if sys.stdout is sys.__stdout__:
        sys.stdout = _forgiving(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _forgiving(sys.stderr, 2)


def _forgiving(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:  # closed before the process started; the number may be another file's by now
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123  # open as long as the process is
    stream.flush()
    raw = io.BufferedWriter(_Forgiving(descriptor))
    return io.TextIOWrapper(raw, stream.encoding, errors="replace", line_buffering=True)


class _Forgiving(io.RawIOBase):
    """The raw end of a stream."""

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
