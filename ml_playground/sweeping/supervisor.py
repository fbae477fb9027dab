"""Supervision of the workers of a sweep: restarts them, and decides when to give up."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import Self

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.errors import RunError
from ml_playground.runs.manifest import read_step
from ml_playground.sweeping.claim import claim_lock, interrupted_trials, unclaimed_runs
from ml_playground.sweeping.confirmation import pending_runs
from ml_playground.sweeping.engines.base import LOG, TRIAL_FAILED, Engine, Worker
from ml_playground.sweeping.study import OUT_OF_MEMORY, end_trial, reason
from ml_playground.sweeping.sweep import Sweep


class Supervisor:
    """Context manager that keeps the configured number of workers running, and stops them on exit."""

    def __init__(self, sweep: Sweep, study: optuna.Study, engine: Engine) -> None:
        self._sweep = sweep
        self._study = study
        self._engine = engine
        self._workers: list[Worker] = []
        self._failed_before = {trial.number for trial in self._trials(TrialState.FAIL)}
        self._idle = False
        """Whether a worker has found no trial left to claim."""
        self._deaths: Counter[tuple[int, int | None]] = Counter()

    def __enter__(self) -> Self:
        for _ in range(self._sweep.config.workers):
            self._workers.append(self._engine.start())
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in self._workers:
            worker.stop()  # it saves its state, and the trial stays RUNNING
        for worker in self._workers:
            worker.join()

    def tend(self, seconds: float) -> bool:
        """Wait up to ``seconds``, replace workers that died, and return whether the sweep goes on, here or elsewhere.

        Raises:
            PlaygroundError: If a worker reported that no worker can continue.
            RunError: If too many trials failed in a row, or workers die before they have claimed a trial.
        """
        if self._workers:
            self._engine.wait(self._workers, seconds)
        else:
            time.sleep(seconds)  # only other processes have trials left
        for worker in [worker for worker in self._workers if worker.exit_code is not None]:
            self._workers.remove(worker)
            if problem := self._engine.problem():
                raise problem
            self._idle = self._idle or worker.exit_code == 0
            if worker.exit_code:
                self._judge(worker.exit_code)
                self._workers.append(self._engine.start())
        if len(self._workers) < self._sweep.config.workers and self._is_work_left():
            self._workers.append(self._engine.start())
        if self._workers or self._trials(TrialState.RUNNING):
            return True
        return self._idle and bool(pending_runs(self._sweep, self._study))

    def _is_work_left(self) -> bool:
        """Return whether there are trials whose process has died, or runs of the confirmation that nobody works on."""
        if not self._trials(TrialState.RUNNING) and not (self._idle and pending_runs(self._sweep, self._study)):
            return False
        with claim_lock(self._sweep):
            return bool(interrupted_trials(self._sweep, self._study) or unclaimed_runs(self._sweep, self._study))

    def _judge(self, code: int) -> None:
        if code == TRIAL_FAILED:
            self._refuse_more_failures()
            return
        limit = self._sweep.config.max_failures
        with claim_lock(self._sweep):
            left = interrupted_trials(self._sweep, self._study)
            for trial in left:
                step = read_step(self._sweep.trial_folder(trial.number))
                self._deaths[trial.number, step] += 1
                if self._deaths[trial.number, step] >= limit:
                    self._give_up(trial, step, code)
        if not left:
            self._deaths[-1, None] += 1
            if self._deaths[-1, None] >= limit:
                raise RunError(
                    f"{self._sweep.folder}: {limit} workers crashed before they had a trial; see {LOG} there"
                )

    def _give_up(self, trial: FrozenTrial, step: int | None, code: int) -> None:
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        where = f"at step {step:,}" if step is not None else "before its first step"
        times = f"{self._sweep.config.max_failures} workers crashed running it {where}, the last by {name}"
        # SIGKILL probably came from the kernel's out-of-memory killer.
        killed = code == -signal.SIGKILL
        state = TrialState.PRUNED if killed else TrialState.FAIL
        end_trial(self._study, trial.number, state, f"{times}{f': {OUT_OF_MEMORY}?' if killed else ''}")

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
