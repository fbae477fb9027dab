"""Points of trials: which values of the space a trial has, and which points a study has already tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optuna.trial import FrozenTrial

Point = tuple[tuple[str, object], ...]
"""Values by dotted key, sorted by key."""

_DUPLICATE, _DUPLICATE_0_1 = "duplicate of", "twin of"
"""User attribute: number of the earlier trial with the same values, whose result this one has copied. Version 0.1 wrote
the second name; both are read only, as duplicates are no longer recorded."""


def point_of(params: Mapping[str, object]) -> Point:
    """Return the point with these values. Floats are rounded, as 0.1 + 0.2 and 0.3 are the same step of a range."""
    return tuple((key, _rounded(value)) for key, value in sorted(params.items()))


def duplicate_of(trial: FrozenTrial) -> int | None:
    """Return the number of the trial whose result this duplicate has copied; None if it was trained itself."""
    number = trial.user_attrs.get(_DUPLICATE, trial.user_attrs.get(_DUPLICATE_0_1))
    return None if number is None else int(number)


def count_trained(trials: Iterable[FrozenTrial]) -> int:
    """Return the number of trials, finished or not, without duplicates."""
    return sum(duplicate_of(trial) is None for trial in trials)


def _rounded(value: object) -> object:
    return float(f"{value:.12g}") if isinstance(value, float) else value
