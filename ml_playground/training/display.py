"""Training progress for people: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ml_playground.console import console, say

_SECONDS_BETWEEN_LINES = 10.0


class Display:
    """Shows loss, tokens/s and the time left."""

    def __init__(self, step: int, max_iters: int) -> None:
        self._max_iters = max_iters
        self._first_step = step
        self._started = self._printed = time.monotonic()
        self._bar = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=max_iters, completed=step, numbers="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._bar.stop()

    def step(self, step: int, loss: float, tokens_per_second: float) -> None:
        """A logged step."""
        numbers = f"loss {loss:.4f}  {tokens_per_second:,.0f} tokens/s"
        self._bar.update(self._task, completed=step, numbers=numbers)
        now = time.monotonic()
        if not console.is_terminal and now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            left = (now - self._started) / (step - self._first_step) * (self._max_iters - step)
            say(f"step {step}/{self._max_iters}  {numbers}  {left:.0f} s left")

    def evaluated(self, step: int, val_loss: float, *, best: bool) -> None:
        """An evaluation."""
        say(f"step {step}/{self._max_iters}  val loss {val_loss:.4f}{'  best so far' if best else ''}")
