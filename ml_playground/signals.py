"""The signals that ask a process to save and stop."""

from __future__ import annotations

import signal
from types import FrameType

from ml_playground.errors import Stopped


def stop_signals() -> list[signal.Signals]:
    """What asks this process to stop. A terminal that closes sends SIGHUP, which ``nohup`` has ignored on purpose."""
    signals = [signal.SIGINT, signal.SIGTERM]
    return signals if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*signals, signal.SIGHUP]


def stop_on_signals() -> None:
    """Each of :func:`stop_signals` raises :class:`Stopped` from here on."""
    for signum in stop_signals():
        signal.signal(signum, _stop)


def _stop(signum: int, _frame: FrameType | None) -> None:
    # Outside training nothing waits for a step's end: unfinished files are dropped, complete ones stay.
    raise Stopped(signum, f"stopped by {signal.Signals(signum).name}")
