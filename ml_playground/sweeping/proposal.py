"""Proposal of the next trial: a valid point of the space that no trial has tried."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from ml_playground.errors import RunError
from ml_playground.ranges import SettingError
from ml_playground.sweeping.config import SamplerKind
from ml_playground.sweeping.leaves import Params
from ml_playground.sweeping.points import LEARNING_RATE, OUTSIDE, Point, point_of, values_of
from ml_playground.sweeping.samplers import build_sampler
from ml_playground.sweeping.study import in_memory
from ml_playground.sweeping.sweep import Sweep

_SAMPLED = 20
"""Number of draws from the sampler. It may keep returning points that were tried; other points are then random."""
_RANDOM = 180
_FEW = 1_000
"""Number of points up to which all untried ones are listed, so that none is overlooked."""


def propose(sweep: Sweep, study: optuna.Study) -> FrozenTrial | None:
    """Sample a new trial without adding it to the study; None if no untried point is left.

    It is sampled on a copy and later added to the study atomically, so that a kill leaves no trial with only some of
    its values. A point that was already tried, in whatever way it ended, is drawn again.

    Raises:
        RunError: If the space has no valid point, or too few to find one.
    """
    trials = study.get_trials(deepcopy=False)
    known = {point_of(values_of(trial)) for trial in trials}
    if sweep.baseline is not None and point_of(sweep.baseline) not in known:
        return _baseline(sweep, sweep.baseline)
    problem: SettingError | None = None
    for drawn in _draws(sweep, study, known):
        if point_of(drawn.params) in known:
            continue
        try:
            config = sweep.trial_config(len(trials), drawn.params)
        except SettingError as error:
            problem = error
            continue
        drawn.user_attrs[LEARNING_RATE] = config.train.optim.learning_rate
        return drawn
    if problem and not (known and sweep.space.is_countable):
        raise RunError(f"{sweep.document.name}: space: no valid point found; the last: {problem.keys[0]}: {problem}")
    return None


def _draws(sweep: Sweep, study: optuna.Study, known: set[Point]) -> Iterator[FrozenTrial]:
    number = len(study.get_trials(deepcopy=False))
    if sweep.config.sampler is SamplerKind.grid:
        yield from (_running(sweep, point) for point in sweep.grid)
        return
    few = sweep.space.is_countable and sweep.space.count <= _FEW
    copy = in_memory(study, sampled=True)
    for draw in range(_SAMPLED if few else _SAMPLED + _RANDOM):
        # Use a different seed for each draw, otherwise workers and restarts would draw the same points. Seeds are
        # hashed, not added: otherwise a sweep with the next seed would draw the same trials, shifted by one.
        (seed,) = np.random.SeedSequence((sweep.config.seed, number, draw)).generate_state(1)
        copy.sampler = build_sampler(sweep, int(seed)) if draw < _SAMPLED else RandomSampler(int(seed))
        asked = copy.ask()
        params = sweep.space.suggest(asked)
        yield _running(sweep, params, copy.trials[asked.number].system_attrs)
    if few:
        left = [point for point in sweep.space.points() if point_of(point) not in known]
        random.Random(f"{sweep.config.seed} {number}").shuffle(left)  # noqa: S311  # not a secret
        yield from (_running(sweep, point) for point in left)


def _baseline(sweep: Sweep, values: Params) -> FrozenTrial:
    inside = sweep.space.contains(values)
    trial = _running(sweep, values) if inside else create_trial(state=TrialState.RUNNING, user_attrs={OUTSIDE: values})
    trial.user_attrs[LEARNING_RATE] = sweep.budget.base.train.optim.learning_rate  # which is not scaled
    return trial


def _running(sweep: Sweep, params: Params, system_attrs: dict[str, object] | None = None) -> FrozenTrial:
    return create_trial(
        state=TrialState.RUNNING,
        params=params,
        distributions=sweep.space.distributions(params),
        system_attrs=system_attrs,
    )
