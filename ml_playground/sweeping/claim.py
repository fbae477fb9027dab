"""Assignment of trials to workers.

A trial is claimed by the lock on its run folder, which the kernel releases when the process dies. A trial that is
RUNNING in the study but whose lock is free was interrupted: it is resumed before a new one is started.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.config import ExperimentConfig
from ml_playground.durable import is_locked, lock
from ml_playground.runs.folder import LOCK, writing
from ml_playground.sweeping.extension import pending_follow_ups
from ml_playground.sweeping.followup import FollowUp
from ml_playground.sweeping.leaves import Params
from ml_playground.sweeping.points import count_trained, values_of
from ml_playground.sweeping.proposal import propose
from ml_playground.sweeping.retry import propose_retry
from ml_playground.sweeping.sweep import Sweep


@dataclass(frozen=True)
class Claim:
    """A trial whose run folder is locked by this process."""

    number: int
    params: Params
    config: ExperimentConfig


def claim_lock(sweep: Sweep) -> contextlib.AbstractContextManager[None]:
    """Return a lock that lets only one process at a time claim a trial."""
    return lock(sweep.folder / ".claim", wait=True)


@contextlib.contextmanager
def claim_next_trial(sweep: Sweep, study: optuna.Study) -> Generator[Claim | None]:
    """Claim the next trial to run for the duration of the context; None if all are done or claimed by others.

    Raises:
        RunError: If the space has no valid point, or too few to find one.
    """
    with contextlib.ExitStack() as held:
        with claim_lock(sweep):
            trial = next(iter(interrupted_trials(sweep, study)), None) or _new(sweep, study)
            if trial:
                held.enter_context(writing(sweep.trial_folder(trial.number)))
        yield _claim(sweep, trial) if trial else None


@contextlib.contextmanager
def claim_next_run(sweep: Sweep, study: optuna.Study) -> Generator[FollowUp | None]:
    """Claim the next follow-up run for the duration of the context; None if all are done or claimed.

    The caller has found no trial left to claim.
    """
    with contextlib.ExitStack() as held:
        with claim_lock(sweep):
            run = next(iter(unclaimed_runs(sweep, study)), None)
            if run:
                held.enter_context(writing(run.folder(sweep)))
        yield run


def unclaimed_runs(sweep: Sweep, study: optuna.Study) -> list[FollowUp]:
    """Return follow-up runs that no process works on. The caller must hold :func:`claim_lock`."""
    free = {run.key for run in pending_follow_ups(sweep, study) if not is_locked(run.folder(sweep) / LOCK)}
    # Query again, as for interrupted trials.
    return [run for run in pending_follow_ups(sweep, study) if run.key in free]


def _claim(sweep: Sweep, trial: FrozenTrial) -> Claim:
    params = values_of(trial)
    return Claim(trial.number, params, sweep.trial_config(trial.number, params))


def interrupted_trials(sweep: Sweep, study: optuna.Study) -> list[FrozenTrial]:
    """Return interrupted trials. The caller must hold the :func:`claim_lock` lock."""
    free = {trial.number for trial in _running(study) if not is_locked(sweep.trial_folder(trial.number) / LOCK)}
    # Query again: a trial that ended between the two checks was RUNNING at the first and unlocked at the second.
    return [trial for trial in _running(study) if trial.number in free]


def _running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _new(sweep: Sweep, study: optuna.Study) -> FrozenTrial | None:
    """Add the next trial, and return it; None if there are enough, or no untried point is left."""
    trials = study.get_trials(deepcopy=False)
    proposal = propose_retry(sweep, trials)
    if proposal is None and count_trained(trials) < sweep.n_trials:
        proposal = propose(sweep, study)
    if proposal is None:
        return None
    study.add_trial(proposal)
    return study.get_trials(deepcopy=False)[len(trials)]
