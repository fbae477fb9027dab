"""Interface of engines, which start workers and report how they exited; the caller decides what that means."""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ml_playground.errors import PlaygroundError, RunError, UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LOG = "workers.log"
"""File for the output of workers that is not a run's own."""


class TaskFailedError(RunError):
    """A task failed and was recorded as failed. The process may not be in a state to do another one."""

    exit_code = 3


@dataclass
class NoSettings:
    """Settings of an engine that has none."""


@dataclass(frozen=True)
class Job:
    """What the workers of an engine do. It can be pickled."""

    function: str
    """What each worker calls, such as ``ml_playground.sweeping.worker:work``: a name, since only workers import it.

    Workers are identical: the function takes one task after the other until none is left. It raises
    :class:`TaskFailedError` if a task failed, and another ``PlaygroundError`` if no worker can continue.
    """
    arguments: tuple[object, ...]
    workers: int
    """Number of workers at a time."""
    folder: Path
    """Folder for :data:`LOG` and for files of the engine; it exists when workers are started."""
    refusal: Callable[[str], UserError]
    """Makes the error to raise if ``workers`` is too large, from what is wrong with it."""
    settings: object = None
    """Of the type :attr:`Engine.settings`."""

    @property
    def module(self) -> str:
        """Module of the function."""
        return self.function.partition(":")[0]

    def run(self) -> None:
        """Do the work of a worker, in this process.

        Raises:
            PlaygroundError: As described for :attr:`function`.
            Stopped: If a signal was received; the state is saved.
        """
        pkgutil.resolve_name(self.function)(*self.arguments)


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
    """Starts the workers of a job. All of them die with the process that created the engine."""

    settings: ClassVar[type[DataclassInstance]] = NoSettings
    """Dataclass of the engine's own table in a sweep file, which has the engine's name."""
    shares_cores: ClassVar[bool] = True
    """Whether all workers run on this machine, and share its cores."""

    @abstractmethod
    def __init__(self, job: Job) -> None:
        """Create the engine without starting workers.

        Raises:
            UserError: If it cannot start the requested workers.
        """

    @abstractmethod
    def start(self) -> Worker:
        """Start another worker, which calls :meth:`Job.run`."""

    @abstractmethod
    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        """Wait until a worker has exited, for at most ``seconds``."""

    @abstractmethod
    def problem(self) -> PlaygroundError | None:
        """Return an error reported by an exited worker that would affect every other worker; None if there is none."""
