"""Progress of long operations: a live bar on a terminal, otherwise a line every ten seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from ml_playground.terminal.console import console, say

_SECONDS_BETWEEN_LINES = 10.0
_MEGABYTE = 1e6


class ProgressBar:
    """Context manager that shows a progress bar, or lines if there is no terminal."""

    def __init__(
        self, name: str, done: int, total: int | None, columns: Sequence[ProgressColumn], *, stays: bool
    ) -> None:
        """Create the bar without showing it.

        Args:
            name: Description of the operation.
            done: Units completed by earlier attempts.
            total: Total number of units; None if unknown.
            columns: Columns after the name and the bar; the text of ``update`` is the field ``text``.
            stays: Whether the bar remains on the screen when it ends.
        """
        self._started = self._printed = time.monotonic()
        self._before = done
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *columns,
            console=console,
            transient=not stays,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(name, total=total, completed=done, text="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def update(self, done: int, text: str = "") -> None:
        """Set the number of completed units."""
        self._bar.update(self._task, completed=done, text=text)

    def line_is_due(self) -> bool:
        """Return whether a line is due without a terminal; returning True resets the timer."""
        now = time.monotonic()
        due = not console.is_terminal and now - self._printed >= _SECONDS_BETWEEN_LINES
        if due:
            self._printed = now
        return due

    def rate(self, done: int) -> float:
        """Return the units per second since the start."""
        return (done - self._before) / (time.monotonic() - self._started)


class StepProgress(ProgressBar):
    """Progress of training steps."""

    def __init__(self, done: int, total: int) -> None:
        columns = [
            MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn(), TextColumn("left"),
            TimeRemainingColumn(),
        ]  # fmt: skip
        super().__init__("training", done, total, columns, stays=True)
        self._total = total

    def step(self, step: int, numbers: str) -> None:
        """Report a completed step with its metrics."""
        self.update(step, numbers)
        if self.line_is_due():
            left = (self._total - step) / self.rate(step)
            say(f"step {step}/{self._total}  {numbers}  {left:.0f} s left")


class ByteProgress(ProgressBar):
    """Progress of reading or downloading bytes, with MB/s."""

    def __init__(self, name: str, done: int, total: int | None) -> None:
        columns = [DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
        super().__init__(name, done, total, columns, stays=False)
        self._name = name
        self._total = total
        self.done = done
        """Bytes completed so far."""

    def advance(self, count: int) -> None:
        """Add completed bytes."""
        self.done += count
        self.update(self.done)
        if self.line_is_due():
            of = f" of {self._total / _MEGABYTE:,.1f}" if self._total else ""
            speed = self.rate(self.done) / _MEGABYTE
            say(f"{self._name}: {self.done / _MEGABYTE:,.1f}{of} MB, {speed:,.1f} MB/s")
