"""Which signals ask to stop."""

from __future__ import annotations

import signal

from ml_playground.signals import stop_signals


def test_a_hangup_asks_to_stop_unless_the_process_was_started_to_outlive_its_terminal() -> None:
    previous = signal.getsignal(signal.SIGHUP)
    try:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert stop_signals() == [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup leaves it
        assert stop_signals() == [signal.SIGINT, signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, previous)
