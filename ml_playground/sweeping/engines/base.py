"""Interface of engines, which start workers and report how they exited; the supervisor handles the exits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from ml_playground.errors import PlaygroundError
from ml_playground.sweeping.sweep import Sweep

TRIAL_FAILED = 3
"""Exit code of a worker whose trial failed: its process may not be in a state to run another one."""
LOG = "workers.log"
"""File in the sweep's folder for the output of workers outside of trials."""


class Worker(ABC):
    """A started worker."""

    @property
    @abstractmethod
    def exit_code(self) -> int | None:
        """Exit code; None while running, negative for the signal that killed it."""

    @abstractmethod
    def stop(self) -> None:
        """Request the worker to save its state and exit, without waiting."""

    @abstractmethod
    def join(self) -> None:
        """Wait until the worker has exited."""


class Engine(ABC):
    """Starts the workers of a sweep. All of them die with the process that created the engine."""

    @abstractmethod
    def __init__(self, sweep: Sweep) -> None:
        """Create the engine without starting workers.

        Raises:
            ConfigError: If it cannot start the requested workers.
        """

    @abstractmethod
    def start(self) -> Worker:
        """Start another worker, which runs :func:`ml_playground.sweeping.worker.work`."""

    @abstractmethod
    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        """Wait until a worker has exited, for at most ``seconds``."""

    @abstractmethod
    def problem(self) -> PlaygroundError | None:
        """Return an error reported by an exited worker that would affect every other worker; None if there is none."""
