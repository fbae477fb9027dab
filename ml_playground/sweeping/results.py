"""Results of a sweep: ``leaderboard.csv``, ``best.toml`` and ``report.html``."""

from __future__ import annotations

import csv
import io
import shlex
from collections import Counter
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.composition.snapshot import snapshot
from ml_playground.durable import write_text
from ml_playground.errors import RunError, printable
from ml_playground.runs.listing import OUTPUTS
from ml_playground.sweeping.names import short_names, show_params, show_scores
from ml_playground.sweeping.points import duplicate_of
from ml_playground.sweeping.ranking import ranked
from ml_playground.sweeping.report import render_report
from ml_playground.sweeping.study import DIVERGED, OUT_OF_MEMORY, reason
from ml_playground.sweeping.sweep import Sweep
from ml_playground.terminal.console import say


def write_results(sweep: Sweep, study: optuna.Study) -> None:
    """Write the three files, replacing existing ones, and report the best trial.

    Raises:
        RunError: If all trials are finished and none has a score; the leaderboard is still written.
    """
    trials = ranked(sweep, study, study.get_trials(deepcopy=False))
    rows = leaderboard(sweep, study, trials)
    write_text(sweep.folder / "leaderboard.csv", _csv(rows))
    complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
    if not complete:
        table = sweep.folder / "leaderboard.csv"
        if any(trial.state is TrialState.RUNNING for trial in trials):
            say(f"no trial has a score yet; see {table}")
            return
        raise RunError(f"{sweep.folder}: no trial has a score: {_fates(trials)}; see the reasons in {table}")
    best = complete[0]
    write_text(sweep.folder / "best.toml", _best_toml(sweep, best))
    write_text(sweep.folder / "report.html", render_report(sweep, study, rows))
    params = show_params(best.params, short_names(sweep.space))
    say(f"best: trial {best.number}, {show_scores(best, sweep)}, with {params}")
    say(f"report: {sweep.folder / 'report.html'}  (table: {sweep.folder / 'leaderboard.csv'})")
    again = shlex.join(["mlp", "train", sweep.budget.base.experiment, "--exp-config", str(sweep.folder / "best.toml")])
    say(f"train it again: {again}")


def leaderboard(sweep: Sweep, study: optuna.Study, trials: list[FrozenTrial]) -> list[dict[str, object]]:
    """Return one row per trial, best first."""
    front = {trial.number for trial in study.best_trials}
    rows: list[dict[str, object]] = []
    for rank, trial in enumerate(trials, start=1):
        complete = trial.state is TrialState.COMPLETE
        scores = trial.values if complete and trial.values else [None] * len(sweep.objectives)
        rows.append(
            {
                "rank": rank,
                "trial": trial.number,
                "status": trial.state.name.lower(),
                **dict(zip(sweep.objectives, scores, strict=True)),
                **({"pareto": trial.number in front} if len(sweep.objectives) > 1 else {}),
                **{key: trial.params.get(key) for key in sweep.space.leaves},
                "tokens": sweep.budget.tokens if complete else trial.last_step or 0,
                "reason": reason(trial),
                "duplicate_of": duplicate_of(trial),
                "folder": sweep.trial_folder(trial.number),
            }
        )
    return rows


def _fates(trials: list[FrozenTrial]) -> str:
    """Summarize outcomes, such as ``2 diverged, 1 failed``, most frequent first."""
    fates = Counter(_fate(trial) for trial in trials)
    return ", ".join(f"{count} {fate}" for fate, count in fates.most_common())


def _fate(trial: FrozenTrial) -> str:
    if trial.state is TrialState.FAIL:
        return "failed"
    return next((fate for fate in (DIVERGED, OUT_OF_MEMORY) if fate in reason(trial)), "pruned")


def _csv(rows: list[dict[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _best_toml(sweep: Sweep, best: FrozenTrial) -> str:
    config = sweep.trial_config(best.number, best.params)
    folder: Path = OUTPUTS / f"{sweep.folder.name}-best"
    config.train.runtime.out_dir = config.sample.runtime.out_dir = folder
    # Escape line breaks in the folder name, because a TOML comment is one line.
    head = printable(f"# Trial {best.number} of {sweep.folder}: {show_scores(best, sweep)}.")
    return f"{head}\n\n{snapshot(config)}"
