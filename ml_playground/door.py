"""What both commands share: errors become one line and an exit code."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from ml_playground.errors import PlaygroundError, Stopped
from ml_playground.signals import stop_signals
from ml_playground.streams import forgive_streams


def run_command(command: Callable[[], None]) -> NoReturn:
    """Run a command and exit: 0 done, 1 the run failed, 2 the input is wrong, 129/130/143 stopped by a signal."""
    forgive_streams()
    stop_on_signals()
    try:
        command()
    except (PlaygroundError, Stopped) as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(0)


def stop_on_signals() -> None:
    """Each of :func:`stop_signals` raises :class:`Stopped` from here on."""
    for signum in stop_signals():
        signal.signal(signum, _stop)


def _stop(signum: int, _frame: FrameType | None) -> None:
    # Outside training nothing waits for a step's end: files in the making are dropped, whole ones stay.
    raise Stopped(signum, f"stopped by {signal.Signals(signum).name}")
