"""The signals that ask a process to save and stop."""

from __future__ import annotations

import signal


def stop_signals() -> list[signal.Signals]:
    """What asks this process to stop. A terminal that closes sends SIGHUP, which ``nohup`` has ignored on purpose."""
    signals = [signal.SIGINT, signal.SIGTERM]
    return signals if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [*signals, signal.SIGHUP]
