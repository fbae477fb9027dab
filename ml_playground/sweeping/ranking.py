"""Ranking of trials."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.sweeping.config import Direction
from ml_playground.sweeping.names import show_scores
from ml_playground.sweeping.points import TAKEN_FROM, duplicate_of
from ml_playground.sweeping.study import reason
from ml_playground.sweeping.sweep import Sweep

_ORDER = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING, TrialState.FAIL]


def ranked(sweep: Sweep, study: optuna.Study, trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Sort trials, best first.

    Complete trials are sorted by their first score, with the Pareto front of two objectives first; then pruned trials
    by how far they came and their value there; then the rest.
    """
    front = {trial.number for trial in study.best_trials} if len(sweep.objectives) > 1 else set[int]()
    sign = 1 if next(iter(sweep.config.objective.values())) is Direction.minimize else -1

    def key(trial: FrozenTrial) -> tuple[float, ...]:
        place = trial.last_step or 0
        value = trial.values[0] if trial.values else trial.intermediate_values.get(place, 0.0)
        complete = trial.state is TrialState.COMPLETE
        return (
            _ORDER.index(trial.state), trial.number not in front, 0 if complete else -place, sign * value, trial.number
        )  # fmt: skip

    return sorted(trials, key=key)


def last_value(trial: FrozenTrial) -> float | None:
    """Return the last value that a trial reported; None if there is none."""
    return None if trial.last_step is None else trial.intermediate_values[trial.last_step]


def status(trial: FrozenTrial, sweep: Sweep) -> str:
    """Describe the state and result of a trial."""
    number = duplicate_of(trial)
    duplicate = "" if number is None else f" (as trial {number}, which had the same values)"
    if origin := trial.user_attrs.get(TAKEN_FROM):
        duplicate = f" (taken from {origin})"
    match trial.state:
        case TrialState.COMPLETE:
            return f"{show_scores(trial, sweep)}{duplicate}"
        case TrialState.PRUNED:
            return f"pruned {reason(trial)}{duplicate}"
        case TrialState.FAIL:
            return f"failed: {reason(trial)}"
        case _:
            return "running"
