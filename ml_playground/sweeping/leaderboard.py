"""``leaderboard.csv``: all trials, the best first."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.sweeping.config import LrScaling
from ml_playground.sweeping.confirmation import Confirmation
from ml_playground.sweeping.extension import Extension
from ml_playground.sweeping.gain import find_baseline, gains
from ml_playground.sweeping.points import LEARNING_RATE, TAKEN_FROM, duplicate_of, values_of
from ml_playground.sweeping.progress import trained_tokens
from ml_playground.sweeping.ranking import last_value
from ml_playground.sweeping.study import reason
from ml_playground.sweeping.sweep import Sweep

Row = dict[str, object]


def leaderboard(
    sweep: Sweep,
    study: optuna.Study,
    trials: Sequence[FrozenTrial],
    confirmation: Confirmation | None = None,
    extension: Extension | None = None,
) -> list[Row]:
    """Return one row per trial, in the order of ``trials``."""
    baseline = find_baseline(sweep, trials)
    front = {trial.number for trial in study.best_trials} if len(sweep.objectives) > 1 else set[int]()
    rows: list[Row] = []
    for rank, trial in enumerate(trials, start=1):
        tokens = trained_tokens(sweep, trial)
        rows.append(
            {
                "rank": rank,
                "trial": trial.number,
                "status": trial.state.name.lower(),
                "baseline": baseline is not None and trial.number == baseline.number,
                **_scores(sweep, trial, baseline),
                **_confirmed(trial, confirmation),
                **({"extended": extension.score(trial)} if extension else {}),
                **({"pareto": trial.number in front} if len(sweep.objectives) > 1 else {}),
                **{key: values_of(trial).get(key) for key in sweep.space.leaves},
                **_rate(sweep, trial),
                "tokens": tokens,
                "share": 1.0 if trial.state is TrialState.COMPLETE else round(tokens / sweep.budget.tokens, 4),
                "reason": reason(trial),
                "duplicate_of": duplicate_of(trial),
                "folder": trial.user_attrs.get(TAKEN_FROM) or sweep.trial_folder(trial.number),
            }
        )
    return rows


def to_csv(rows: Sequence[Row]) -> str:
    """Return rows with equal keys as CSV; empty without rows."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()


def _scores(sweep: Sweep, trial: FrozenTrial, baseline: FrozenTrial | None) -> Row:
    """Return final scores and gains of complete trials, and the last value of all."""
    final = trial.values if trial.state is TrialState.COMPLETE else None
    cells: Row = {name: final[index] if final else None for index, name in enumerate(sweep.objectives)}
    if len(sweep.objectives) == 1:  # two objectives are not reported during training
        cells[f"last_{sweep.objectives[0]}"] = last_value(trial)
    gained = gains(sweep, trial, baseline)
    names = ["gain"] if len(sweep.objectives) == 1 else [f"gain in {name}" for name in sweep.objectives]
    return {**cells, **{name: gained[index] if gained else None for index, name in enumerate(names)}}


def _confirmed(trial: FrozenTrial, confirmation: Confirmation | None) -> Row:
    if confirmation is None:
        return {}
    candidate = next((each for each in confirmation.candidates if each.trial.number == trial.number), None)
    scored = candidate and candidate.scores
    return {"confirmed": candidate.mean if candidate and scored else None}


def _rate(sweep: Sweep, trial: FrozenTrial) -> Row:
    if sweep.budget.lr_scaling is LrScaling.none:
        return {}
    return {"scaled_learning_rate": trial.user_attrs.get(LEARNING_RATE)}
