"""Results of a sweep as JSON."""

from __future__ import annotations

from optuna.trial import FrozenTrial

from ml_playground.runs.json_output import FORMAT
from ml_playground.sweeping.confirmation import Confirmation
from ml_playground.sweeping.gain import gain_in, gains
from ml_playground.sweeping.leaderboard import leaderboard
from ml_playground.sweeping.points import values_of
from ml_playground.sweeping.progress import trained_tokens
from ml_playground.sweeping.results import Results


def results_record(results: Results) -> dict[str, object]:
    """Return the results for programs."""
    sweep = results.sweep
    rows = leaderboard(sweep, results.study, results.trials, results.confirmation, results.extension)
    return {
        "format": FORMAT,
        "sweep": sweep.name,
        "experiment": sweep.budget.base.experiment,
        "folder": str(sweep.folder),
        "objectives": dict(zip(sweep.objectives, sweep.directions, strict=True)),
        "n_trials": sweep.n_trials,
        "tokens_per_trial": sweep.budget.tokens,
        "tokens": sum(trained_tokens(sweep, trial) for trial in results.trials),
        "answer": results.answer,
        "command": results.command if results.best else None,
        "best": _trial(results, results.best),
        "baseline": _trial(results, results.baseline),
        "confirmation": _confirmation(results.confirmation),
        "extension": _extension(results),
        "trials": [{**row, "folder": str(row["folder"])} for row in rows],
    }


def _trial(results: Results, trial: FrozenTrial | None) -> dict[str, object] | None:
    if trial is None:
        return None
    names, gained = results.sweep.objectives, gains(results.sweep, trial, results.baseline)
    return {
        "trial": trial.number,
        "params": values_of(trial),
        "scores": dict(zip(names, trial.values, strict=True)) if trial.values else None,
        "gains": dict(zip(names, gained, strict=True)) if gained else None,
    }


def _extension(results: Results) -> dict[str, object] | None:
    extension = results.extension
    if extension is None:
        return None
    runs: list[dict[str, object]] = [
        {
            "trial": run.trial.number,
            "score": outcome.score,
            "gain": gain_in(results.sweep, outcome.score, extension.baseline),
            "problem": outcome.reason or None,
            "folder": str(run.folder(results.sweep)),
        }
        for run, outcome in extension.runs
    ]
    tokens = extension.factor * results.sweep.budget.tokens
    return {"factor": extension.factor, "tokens_per_trial": tokens, "pending": extension.pending, "runs": runs}


def _confirmation(confirmation: Confirmation | None) -> dict[str, object] | None:
    if confirmation is None:
        return None
    candidates: list[dict[str, object]] = []
    for each in confirmation.candidates:
        tested = confirmation.differences.get(each.trial.number)
        candidates.append(
            {
                "trial": each.trial.number,
                "scores": list(each.scores),
                "mean": each.mean if each.scores else None,
                "optimism": each.optimism if each.scores else None,
                "problems": list(each.reasons),
                "pending": each.pending,
                "difference": tested.value if tested else None,
                "interval": [tested.low, tested.high] if tested else None,
                "p": tested.p if tested else None,
                "method": tested.method if tested else None,
            }
        )
    return {"pending": confirmation.pending, "candidates": candidates}
