"""Gain of a trial over the baseline, which has the experiment's own values."""

from __future__ import annotations

from collections.abc import Iterable

from optuna.trial import FrozenTrial, TrialState

from ml_playground.sweeping.points import find_point
from ml_playground.sweeping.sweep import Sweep


def find_baseline(sweep: Sweep, trials: Iterable[FrozenTrial]) -> FrozenTrial | None:
    """Return the trial with the experiment's own values; None if there is none."""
    return None if sweep.baseline is None else find_point(trials, sweep.baseline)


def gains(sweep: Sweep, trial: FrozenTrial, baseline: FrozenTrial | None) -> list[float] | None:
    """Return the gain in each objective, above 0 if the trial is better; None unless both have a score."""
    if baseline is None or {trial.state, baseline.state} != {TrialState.COMPLETE}:
        return None
    pairs = zip(trial.values, baseline.values, sweep.directions, strict=True)
    return [other - own if direction == "minimize" else own - other for own, other, direction in pairs]


def gain_in(sweep: Sweep, score: float | None, baseline: float | None) -> float | None:
    """Return the gain of a score in the first objective; None if one of the two is missing."""
    if score is None or baseline is None:
        return None
    return baseline - score if sweep.directions[0] == "minimize" else score - baseline


def show_gain(sweep: Sweep, trial: FrozenTrial, baseline: FrozenTrial | None) -> str:
    """Describe the gain, such as ``0.0312 (2.1 %) lower than your values``; empty if there is none to tell."""
    if baseline is not None and trial.number == baseline.number:
        return "your own values"
    if baseline is None or gains(sweep, trial, baseline) is None:
        return ""
    amounts = [show_amount(own, other) for own, other in zip(trial.values, baseline.values, strict=True)]
    if len(amounts) > 1:
        amounts = [f"{name} {amount}" for name, amount in zip(sweep.objectives, amounts, strict=True)]
    return f"{', '.join(amounts)} than your values"


def show_amount(own: float, other: float) -> str:
    """Describe how much lower or higher a value is than another one, such as ``0.0312 (2.1 %) lower``."""
    share = f" ({100 * abs(own - other) / abs(other):.2g} %)" if other else ""
    return f"{abs(own - other):,.4f}{share} {'lower' if own < other else 'higher'}"
