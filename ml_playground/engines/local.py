"""Workers as processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import parent_process

from ml_playground.engines.base import Engine, Job, Worker
from ml_playground.engines.outcome import run_in_this_process
from ml_playground.engines.registry import engines
from ml_playground.errors import PlaygroundError


class LocalWorker(Worker):
    """A worker process."""

    def __init__(self, process: ForkServerProcess) -> None:
        self.process = process

    @property
    def exit_code(self) -> int | None:
        return self.process.exitcode

    def stop(self) -> None:
        self.process.terminate()

    def join(self) -> None:
        self.process.join()


@engines.register("local")
class LocalEngine(Engine):
    """Forks workers from a fork server that has already imported torch, so that they start in milliseconds."""

    def __init__(self, job: Job) -> None:
        cores = os.cpu_count() or 1
        if job.workers > cores:
            raise job.refusal(f"{job.workers} are more than this machine's {cores} cores; use {cores} at most")
        self._job = job
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([job.module])
        self._problems, self._report = self._context.Pipe(duplex=False)

    def start(self) -> LocalWorker:
        process = self._context.Process(target=_run_worker, args=(self._job, self._report))
        process.start()
        return LocalWorker(process)

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        wait([worker.process.sentinel for worker in workers if isinstance(worker, LocalWorker)], timeout=seconds)

    def problem(self) -> PlaygroundError | None:
        if not self._problems.poll():
            return None
        problem = self._problems.recv()
        assert isinstance(problem, PlaygroundError)
        return problem


def _run_worker(job: Job, problems: Connection) -> None:
    """Entry point of a worker process; errors that end the whole job are sent to ``problems``."""
    os.setsid()  # only the parent receives Ctrl-C, and forwards it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    outcome = run_in_this_process(job)
    if isinstance(outcome, PlaygroundError):
        problems.send(outcome)
        outcome = outcome.exit_code
    sys.exit(outcome)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    # Exit immediately, as if killed with the parent: a restart resumes from the run's checkpoint and needs its lock.
    os.kill(os.getpid(), signal.SIGKILL)
