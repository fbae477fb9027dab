"""The running workers of an engine, and how often they may crash."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import Self

from ml_playground.engines.base import Engine, Worker


class Pool:
    """Context manager for running workers, which stops them on exit."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._workers: list[Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in self._workers:
            worker.stop()  # it saves its state
        for worker in self._workers:
            worker.join()

    def __len__(self) -> int:
        return len(self._workers)

    def start(self, count: int = 1) -> None:
        """Start more workers."""
        for _ in range(count):
            self._workers.append(self._engine.start())

    def wait(self, seconds: float) -> list[int]:
        """Wait up to ``seconds`` for workers to exit, and return the exit codes of those that have.

        Raises:
            PlaygroundError: If a worker reported that no worker can continue.
        """
        if self._workers:
            self._engine.wait(self._workers, seconds)
        else:
            time.sleep(seconds)
        codes: list[int] = []
        for worker in list(self._workers):
            if worker.exit_code is not None:
                self._workers.remove(worker)
                if problem := self._engine.problem():
                    raise problem
                codes.append(worker.exit_code)
        return codes


class Crashes:
    """Counts the crashes of workers without progress in between."""

    def __init__(self, limit: int) -> None:
        """Create the counter. ``limit`` is the number of crashes of a task at the same step after which to give up."""
        self._limit = limit
        self._counts: Counter[tuple[int, int | None]] = Counter()

    def add(self, task: int, step: int | None, code: int) -> str | None:
        """Count a crash, and return why to give the task up; None if it can be tried again.

        Args:
            task: Number of the task that the worker was doing; -1 for none.
            step: Step that it had reached; None before the first.
            code: Exit code of the worker.
        """
        self._counts[task, step] += 1
        if self._counts[task, step] < self._limit:
            return None
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        where = f"at step {step:,}" if step is not None else "before its first step"
        return f"{self._limit} workers crashed running it {where}, the last by {name}"
