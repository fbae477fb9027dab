"""Progress of many bytes for people: a live bar with MB/s on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Self

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ml_playground.console import console, say

_SECONDS_BETWEEN_LINES = 10.0
_MEGABYTE = 1e6


class Transfer:
    """Shows how many of the bytes are done; the bar is gone when they are."""

    def __init__(self, name: str, done: int, total: int | None) -> None:
        """``done``: bytes from earlier attempts; ``total``: bytes in all, None where unknown."""
        self._name = name
        self.done = self._before = done
        self._total = total
        self._started = self._printed = time.monotonic()
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=total, completed=done)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def advance(self, count: int) -> None:
        """So many more bytes are done."""
        self.done += count
        self._bar.update(self._task, completed=self.done)
        now = time.monotonic()
        if not console.is_terminal and now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            of = f" of {self._total / _MEGABYTE:,.1f}" if self._total else ""
            speed = (self.done - self._before) / (now - self._started) / _MEGABYTE
            say(f"{self._name}: {self.done / _MEGABYTE:,.1f}{of} MB, {speed:,.1f} MB/s")
