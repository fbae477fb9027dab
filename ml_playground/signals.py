"""Signals that ask a process to save and stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Generator
from types import FrameType

from ml_playground.errors import Stopped


def stop_signals() -> list[signal.Signals]:
    """Return the signals that stop this process; SIGHUP, from a closing terminal, only unless ``nohup`` ignores it."""
    signals = [signal.SIGINT, signal.SIGTERM]
    return signals if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*signals, signal.SIGHUP]


def stop_on_signals() -> None:
    """Make each of :func:`stop_signals` raise :class:`Stopped` from now on."""
    for signum in stop_signals():
        signal.signal(signum, _stop)


@contextlib.contextmanager
def stopping_on_signals() -> Generator[None]:
    """Context in which each of :func:`stop_signals` raises :class:`Stopped`, whatever it does outside."""
    previous = {signum: signal.getsignal(signum) for signum in stop_signals()}
    stop_on_signals()
    try:
        yield
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)


def _stop(signum: int, _frame: FrameType | None) -> None:
    # Outside training there is no step to finish: incomplete files are discarded, complete ones are kept.
    raise Stopped(signum, f"stopped by {signal.Signals(signum).name}")
