"""Which trial a worker does next.

A trial is claimed by the lock on its run folder, which the kernel drops when its process dies. A trial that the study
calls running, but whose lock is free, was interrupted: it is resumed before a new one is started.
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
"""User attribute: the number of the trial that had the same values before."""
_DRAWS = 200


@dataclass(frozen=True)
class Claim:
    """A trial whose run folder this process holds."""

    number: int
    params: Params
    config: ExperimentConfig


def claiming(sweep: Sweep) -> contextlib.AbstractContextManager[None]:
    """Only one process at a time looks for a trial."""
    return lock(sweep.folder / ".claim", wait=True)


@contextlib.contextmanager
def claimed(sweep: Sweep, study: optuna.Study) -> Generator[Claim | None]:
    """The next trial to run, held inside the block; None where all are done or in other hands.

    Raises:
        RunError: the space has no valid point that is easily found.
    """
    with contextlib.ExitStack() as held:
        with claiming(sweep):
            trial = next(iter(orphans(sweep, study)), None) or _new(sweep, study)
            if trial:
                held.enter_context(writing(sweep.trial_folder(trial.number)))
        yield Claim(trial.number, trial.params, sweep.trial_config(trial.number, trial.params)) if trial else None


def orphans(sweep: Sweep, study: optuna.Study) -> list[FrozenTrial]:
    """Trials that were interrupted; ask while :func:`claiming`."""
    free = {trial.number for trial in _running(study) if not is_locked(sweep.trial_folder(trial.number) / LOCK)}
    # Read again: one that has ended between the two questions was running at the first and is free at the second.
    return [trial for trial in _running(study) if trial.number in free]


def _running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _new(sweep: Sweep, study: optuna.Study) -> FrozenTrial | None:
    """The next trial that has to be trained. Twins of finished ones are entered with what is known of them."""
    while len(trials := study.get_trials(deepcopy=False)) < sweep.n_trials:
        proposal = _propose(sweep, study, len(trials))
        if proposal is None:
            return None
        study.add_trial(proposal)
        if proposal.state is TrialState.RUNNING:
            return study.get_trials(deepcopy=False)[len(trials)]
    return None


def _propose(sweep: Sweep, study: optuna.Study, number: int) -> FrozenTrial | None:
    """A new trial as the sampler wants it, not yet in the study; None where others are at all that it wants.

    It is drawn in a copy and enters the study whole, so that a kill leaves no trial with half of its values.
    """
    known = {
        _point(trial): trial for trial in reversed(study.get_trials(deepcopy=False)) if duplicate_of(trial) is None
    }
    problem: SettingError | None = None
    copy = in_memory(study)
    for draw in range(_DRAWS):
        # Another seed for each draw: workers and restarts would else draw the same points. Mixed, not added up: the
        # trials of a sweep with the next seed would else be the same ones, one later.
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
    """The trial with the same values whose outcome this one has without training; None where it has trained."""
    number = trial.user_attrs.get(_DUPLICATE, trial.user_attrs.get(_DUPLICATE_0_1))
    return None if number is None else int(number)


def _duplicate(drawn: FrozenTrial, original: FrozenTrial) -> FrozenTrial:
    """The outcome of a finished trial, once more: the same values need no second training."""
    return create_trial(
        state=original.state,
        values=original.values,
        params=drawn.params,
        distributions=drawn.distributions,
        user_attrs={**original.user_attrs, _DUPLICATE: original.number},
        system_attrs=drawn.system_attrs,
        intermediate_values=original.intermediate_values,
    )
