"""Training progress on the terminal."""

from __future__ import annotations

from typing import Self

from ml_playground.terminal.console import say
from ml_playground.terminal.progress import StepProgress


class Display:
    """Shows loss, tokens/s and remaining time."""

    def __init__(self, step: int, max_iters: int) -> None:
        self._max_iters = max_iters
        self._progress = StepProgress(step, max_iters)

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.__exit__(*error)

    def step(self, step: int, loss: float, tokens_per_second: float) -> None:
        """Show a logged step."""
        self._progress.step(step, f"loss {loss:.4f}  {tokens_per_second:,.0f} tokens/s")

    def evaluated(self, step: int, val_loss: float, *, best: bool) -> None:
        """Show an evaluation."""
        say(f"step {step}/{self._max_iters}  val loss {val_loss:.4f}{'  best so far' if best else ''}")
