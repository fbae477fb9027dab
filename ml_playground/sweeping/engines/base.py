"""What an engine does: it starts workers and says how they have ended. What that means, the supervisor decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ml_playground.errors import PlaygroundError
from ml_playground.sweeping.sweep import Sweep

TRIAL_FAILED = 3
"""Exit code of a worker whose trial has failed: its process may be in no state for another."""
LOG = "workers.log"
"""In the sweep's folder: what workers print outside of trials."""


class Worker(ABC):
    """A worker that was started."""

    @property
    @abstractmethod
    def exit_code(self) -> int | None:
        """None while it is at work; negative for the signal that killed it."""

    @abstractmethod
    def stop(self) -> None:
        """Ask it to save and end; does not wait."""

    @abstractmethod
    def join(self) -> None:
        """Wait until it has ended."""


class Engine(ABC):
    """Starts the workers of a sweep. All of them die with the process that has made the engine."""

    @abstractmethod
    def __init__(self, sweep: Sweep) -> None:
        """Start nothing yet.

        Raises:
            ConfigError: it cannot start the workers that the sweep asks for.
        """

    @abstractmethod
    def start(self) -> Worker:
        """One more worker, which runs :func:`ml_playground.sweeping.worker.work`."""

    @abstractmethod
    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        """Until one of them has ended, and for that long at most."""

    @abstractmethod
    def problem(self) -> PlaygroundError | None:
        """What a worker that has ended says no other can do better; None where none has said so."""
