"""Assignment of trials to workers.

A trial is claimed by the lock on its run folder, which the kernel releases when the process dies. A trial that is
RUNNING in the study but whose lock is free was interrupted: it is resumed before a new one is started.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from ml_playground.config import ExperimentConfig
from ml_playground.durable import is_locked, lock
from ml_playground.errors import RunError
from ml_playground.ranges import SettingError
from ml_playground.runs.folder import LOCK, writing
from ml_playground.sweeping.samplers import build_sampler
from ml_playground.sweeping.space import Params
from ml_playground.sweeping.study import in_memory
from ml_playground.sweeping.sweep import Sweep

_DUPLICATE, _DUPLICATE_0_1 = "duplicate of", "twin of"
"""User attribute: number of the earlier trial with the same values. The second name is that of version 0.1."""
_DRAWS = 200


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
        RunError: If sampling does not find a valid point in the space.
    """
    with contextlib.ExitStack() as held:
        with claim_lock(sweep):
            trial = next(iter(interrupted_trials(sweep, study)), None) or _new(sweep, study)
            if trial:
                held.enter_context(writing(sweep.trial_folder(trial.number)))
        yield Claim(trial.number, trial.params, sweep.trial_config(trial.number, trial.params)) if trial else None


def interrupted_trials(sweep: Sweep, study: optuna.Study) -> list[FrozenTrial]:
    """Return interrupted trials. The caller must hold the :func:`claim_lock` lock."""
    free = {trial.number for trial in _running(study) if not is_locked(sweep.trial_folder(trial.number) / LOCK)}
    # Query again: a trial that ended between the two checks was RUNNING at the first and unlocked at the second.
    return [trial for trial in _running(study) if trial.number in free]


def _running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _new(sweep: Sweep, study: optuna.Study) -> FrozenTrial | None:
    """Add trials until one has to be trained, and return it. Duplicates of finished trials copy their results."""
    while len(trials := study.get_trials(deepcopy=False)) < sweep.n_trials:
        proposal = _propose(sweep, study, len(trials))
        if proposal is None:
            return None
        study.add_trial(proposal)
        if proposal.state is TrialState.RUNNING:
            return study.get_trials(deepcopy=False)[len(trials)]
    return None


def _propose(sweep: Sweep, study: optuna.Study, number: int) -> FrozenTrial | None:
    """Sample a new trial without adding it to the study; None if all sampled points are already running.

    It is sampled on a copy and later added to the study atomically, so that a kill leaves no trial with only some of
    its values.
    """
    known = {
        _point(trial): trial for trial in reversed(study.get_trials(deepcopy=False)) if duplicate_of(trial) is None
    }
    problem: SettingError | None = None
    copy = in_memory(study)
    for draw in range(_DRAWS):
        # Use a different seed for each draw, otherwise workers and restarts would draw the same points. Seeds are
        # hashed, not added: otherwise a sweep with the next seed would draw the same trials, shifted by one.
        (seed,) = np.random.SeedSequence((sweep.config.seed, number, draw)).generate_state(1)
        copy.sampler = build_sampler(sweep, int(seed))
        asked = copy.ask(sweep.space.distributions)
        drawn = copy.trials[asked.number]
        original = known.get(_point(drawn))
        if original and original.state is TrialState.RUNNING:
            continue
        if original and original.state is not TrialState.FAIL:
            return _duplicate(drawn, original)
        try:
            sweep.trial_config(number, drawn.params)
        except SettingError as error:
            problem = error
            continue
        return create_trial(
            state=TrialState.RUNNING,
            params=drawn.params,
            distributions=drawn.distributions,
            system_attrs=drawn.system_attrs,
        )
    if problem:
        raise RunError(
            f"{sweep.document.name}: space: no valid point in {_DRAWS} draws; the last: {problem.keys[0]}: {problem}"
        )
    return None


def _point(trial: FrozenTrial) -> tuple[object, ...]:
    return tuple(sorted(trial.params.items()))


def duplicate_of(trial: FrozenTrial) -> int | None:
    """Return the number of the trial whose result this duplicate has copied; None if it was trained itself."""
    number = trial.user_attrs.get(_DUPLICATE, trial.user_attrs.get(_DUPLICATE_0_1))
    return None if number is None else int(number)


def _duplicate(drawn: FrozenTrial, original: FrozenTrial) -> FrozenTrial:
    """Copy the result of a finished trial with the same values, which need not be trained again."""
    return create_trial(
        state=original.state,
        values=original.values,
        params=drawn.params,
        distributions=drawn.distributions,
        user_attrs={**original.user_attrs, _DUPLICATE: original.number},
        system_attrs=drawn.system_attrs,
        intermediate_values=original.intermediate_values,
    )
