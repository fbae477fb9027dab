"""Graceful shutdown on signals: the first requests a stop, the second forces it."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Self

from ml_playground.signals import stop_signals
from ml_playground.terminal.console import say


class StopSignal:
    """Context in which the first signal only sets ``signum`` and a second one exits the process immediately."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        for signum in stop_signals():
            self._previous[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_error: object) -> None:
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]  # returned by signal.signal()

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self.signum is not None:
            os._exit(128 + signum)
        self.signum = signum
        say(f"{signal.Signals(signum).name}: saving after this step; again to stop at once")
