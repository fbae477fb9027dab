"""Workers as processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from multiprocessing.process import parent_process
from typing import Self

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.door import stop_on_signals
from ml_playground.errors import PlaygroundError, RunError, Stopped
from ml_playground.runs.manifest import read_step
from ml_playground.streams import forgive_streams
from ml_playground.sweeping.claim import claiming, orphans
from ml_playground.sweeping.study import end_trial, reason
from ml_playground.sweeping.sweep import Sweep

_FAILED = 3
"""Exit code of a worker whose trial has failed: its process may be in no state for another."""
_LOG = "workers.log"


class LocalWorkers:
    """Keeps the workers of a sweep at work, and ends them with the block.

    They are forked from a server that has imported torch once, so that a new one starts in milliseconds.
    """

    def __init__(self, sweep: Sweep, study: optuna.Study) -> None:
        self._sweep = sweep
        self._study = study
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["ml_playground.sweeping.worker"])
        self._problems, self._report = self._context.Pipe(duplex=False)
        self._workers: list[ForkServerProcess] = []
        self._failed_before = {trial.number for trial in self._trials(TrialState.FAIL)}
        self._deaths: Counter[tuple[int, int | None]] = Counter()

    def __enter__(self) -> Self:
        for _ in range(self._sweep.config.workers):
            self._start()
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in self._workers:
            worker.terminate()  # it saves, and its trial stays open
        for worker in self._workers:
            worker.join()

    def tend(self, seconds: float) -> bool:
        """Wait for that long at most, and replace a worker that has died; whether there still are any.

        Raises:
            PlaygroundError: a worker says that none can go on.
            RunError: too many trials have failed in a row, or workers die before they have a trial.
        """
        wait([worker.sentinel for worker in self._workers], timeout=seconds)
        for worker in [worker for worker in self._workers if not worker.is_alive()]:
            self._workers.remove(worker)
            if self._problems.poll():
                raise self._problems.recv()
            if worker.exitcode:
                self._judge(worker.exitcode)
                self._start()
        return bool(self._workers)

    def _start(self) -> None:
        worker = self._context.Process(target=_run_worker, args=(self._sweep, self._report))
        worker.start()
        self._workers.append(worker)

    def _judge(self, code: int) -> None:
        if code == _FAILED:
            self._refuse_more_failures()
            return
        limit = self._sweep.config.max_failures
        with claiming(self._sweep):
            left = orphans(self._sweep, self._study)
            for trial in left:
                step = read_step(self._sweep.trial_folder(trial.number))
                self._deaths[trial.number, step] += 1
                if self._deaths[trial.number, step] >= limit:
                    self._give_up(trial, step, code)
        if not left:
            self._deaths[-1, None] += 1
            if self._deaths[-1, None] >= limit:
                raise RunError(f"{self._sweep.folder}: {limit} workers have died without a trial; see {_LOG} there")

    def _give_up(self, trial: FrozenTrial, step: int | None, code: int) -> None:
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        where = f"at step {step:,}" if step is not None else "before its first step"
        times = f"{self._sweep.config.max_failures} workers have died of it {where}, the last by {name}"
        # The kernel kills what has asked for more memory than there is.
        killed = code == -signal.SIGKILL
        state = TrialState.PRUNED if killed else TrialState.FAIL
        end_trial(self._study, trial.number, state, f"{times}{': out of memory?' if killed else ''}")

    def _refuse_more_failures(self) -> None:
        finished = [trial for trial in self._trials() if trial.datetime_complete]
        finished.sort(key=lambda trial: str(trial.datetime_complete), reverse=True)
        row: list[FrozenTrial] = []
        for trial in finished:
            if trial.state is not TrialState.FAIL or trial.number in self._failed_before:
                break
            row.append(trial)
        if len(row) >= self._sweep.config.max_failures:
            raise RunError(
                f"{self._sweep.folder}: stopped after {len(row)} failed trials in a row; the last, trial"
                f" {row[0].number}: {reason(row[0])}"
            )

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)


def _run_worker(sweep: Sweep, problems: Connection) -> None:
    """Main function of a worker's process; what ends the whole sweep is sent to ``problems``."""
    # Here, and so in the fork server only: the process that watches the workers has no need of torch.
    from ml_playground.sweeping.trial import TrialFailedError
    from ml_playground.sweeping.worker import work

    os.setsid()  # Ctrl-C is the parent's to hand on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    stop_on_signals()
    descriptor = os.open(sweep.folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    forgive_streams()
    try:
        work(sweep)
    except TrialFailedError:
        sys.exit(_FAILED)
    except PlaygroundError as error:
        problems.send(error)
        sys.exit(error.exit_code)
    except Stopped as error:
        sys.exit(error.exit_code)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    # As if killed with its parent: a new start goes on from the trial's checkpoint, and must find it free.
    os.kill(os.getpid(), signal.SIGKILL)
