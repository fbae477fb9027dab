"""Points of trials: which values of the space a trial has, and which points a study has already tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from optuna.trial import FrozenTrial, TrialState

from ml_playground.sweeping.leaves import Params

Point = tuple[tuple[str, object], ...]
"""Values by dotted key, sorted by key."""

OUTSIDE = "values outside the space"
"""User attribute: values of a baseline that the space does not contain. It has no parameters in the study, so that no
sampler takes it for an observation."""
LEARNING_RATE = "learning rate"
"""User attribute: the peak learning rate that the trial uses, after scaling."""
RETRY_OF = "retry of"
"""User attribute: number of the failed trial whose values this one tries again."""
TAKEN_FROM = "taken from"
"""User attribute: run folder of another sweep's trial, whose result this one has."""
_DUPLICATE, _DUPLICATE_0_1 = "duplicate of", "twin of"
"""User attribute: number of the earlier trial with the same values, whose result this one has copied. Version 0.1 wrote
the second name; both are read only, as duplicates are no longer recorded."""


def point_of(params: Mapping[str, object]) -> Point:
    """Return the point with these values. Floats are rounded, as 0.1 + 0.2 and 0.3 are the same step of a range."""
    return tuple((key, _rounded(value)) for key, value in sorted(params.items()))


def values_of(trial: FrozenTrial) -> Params:
    """Return the values of the searched settings by dotted key."""
    return cast("Params", trial.user_attrs.get(OUTSIDE, trial.params))


def find_point(trials: Iterable[FrozenTrial], params: Params) -> FrozenTrial | None:
    """Return the first trial with these values, preferably one that has not failed; None if there is none."""
    point = point_of(params)
    found = (trial for trial in trials if point_of(values_of(trial)) == point)
    return min(found, key=lambda trial: (trial.state is TrialState.FAIL, trial.number), default=None)


def duplicate_of(trial: FrozenTrial) -> int | None:
    """Return the number of the trial whose result this duplicate has copied; None if it was trained itself."""
    number = trial.user_attrs.get(_DUPLICATE, trial.user_attrs.get(_DUPLICATE_0_1))
    return None if number is None else int(number)


def retry_of(trial: FrozenTrial) -> int | None:
    """Return the number of the failed trial whose values this one tries again; None for other trials."""
    number = trial.user_attrs.get(RETRY_OF)
    return None if number is None else int(number)


def count_trained(trials: Iterable[FrozenTrial]) -> int:
    """Return the number of trials, finished or not, without duplicates, retries and those taken from other sweeps."""
    return sum(
        duplicate_of(trial) is None and retry_of(trial) is None and TAKEN_FROM not in trial.user_attrs
        for trial in trials
    )


def _rounded(value: object) -> object:
    return float(f"{value:.12g}") if isinstance(value, float) else value
