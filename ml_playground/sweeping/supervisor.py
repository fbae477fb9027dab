"""Supervision of the workers of a sweep: restarts them, and decides when to give up."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from typing import Self

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.engines.base import LOG, Engine, TaskFailedError
from ml_playground.engines.pool import Crashes, Pool
from ml_playground.errors import RunError
from ml_playground.runs.manifest import read_step
from ml_playground.sweeping.claim import claim_lock, interrupted_trials, unclaimed_runs
from ml_playground.sweeping.extension import pending_follow_ups
from ml_playground.sweeping.study import OUT_OF_MEMORY, end_trial, reason
from ml_playground.sweeping.sweep import Sweep


class Supervisor:
    """Context manager that keeps the configured number of workers running, and stops them on exit."""

    def __init__(self, sweep: Sweep, study: optuna.Study, engine: Engine) -> None:
        self._sweep = sweep
        self._study = study
        self._pool = Pool(engine)
        self._failed_before = {trial.number for trial in self._trials(TrialState.FAIL)}
        self._idle = False
        """Whether a worker has found no trial left to claim."""
        self._crashes = Crashes(sweep.config.max_failures)

    def __enter__(self) -> Self:
        self._pool.start(self._sweep.config.workers)
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.__exit__(*error)  # interrupted trials stay RUNNING

    def tend(self, seconds: float) -> bool:
        """Wait up to ``seconds``, replace workers that died, and return whether the sweep goes on, here or elsewhere.

        Raises:
            PlaygroundError: If a worker reported that no worker can continue.
            RunError: If too many trials failed in a row, or workers die before they have claimed a trial.
        """
        codes = self._pool.wait(seconds)  # without workers, only other processes have trials left
        self._idle = self._idle or 0 in codes
        if unsuccessful := [code for code in codes if code]:
            self._judge(unsuccessful)
            self._pool.start(len(unsuccessful))
        if len(self._pool) < self._sweep.config.workers and self._is_work_left():
            self._pool.start()
        if self._pool or self._trials(TrialState.RUNNING):
            return True
        return self._idle and bool(pending_follow_ups(self._sweep, self._study))

    def _is_work_left(self) -> bool:
        """Return whether there are trials whose process has died, or follow-up runs that nobody works on."""
        if not self._trials(TrialState.RUNNING) and not (self._idle and pending_follow_ups(self._sweep, self._study)):
            return False
        with claim_lock(self._sweep):
            return bool(interrupted_trials(self._sweep, self._study) or unclaimed_runs(self._sweep, self._study))

    def _judge(self, codes: Sequence[int]) -> None:
        """Count crashes; those of workers that died together, such as with their machine, count once."""
        if TaskFailedError.exit_code in codes:
            self._refuse_more_failures()
        code = next((code for code in codes if code != TaskFailedError.exit_code), None)
        if code is None:
            return
        with claim_lock(self._sweep):
            left = interrupted_trials(self._sweep, self._study)
            for trial in left:
                step = read_step(self._sweep.trial_folder(trial.number))
                if why := self._crashes.add(trial.number, step, code):
                    # SIGKILL probably came from the kernel's out-of-memory killer.
                    killed = code == -signal.SIGKILL
                    state = TrialState.PRUNED if killed else TrialState.FAIL
                    end_trial(self._study, trial.number, state, f"{why}{f': {OUT_OF_MEMORY}?' if killed else ''}")
        if not left and self._crashes.add(-1, None, code):
            limit = self._sweep.config.max_failures
            raise RunError(f"{self._sweep.folder}: {limit} workers crashed before they had a trial; see {LOG} there")

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
