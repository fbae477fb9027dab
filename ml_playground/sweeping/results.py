"""Results of a sweep: ``leaderboard.csv``, ``best.toml`` and ``report.html``, and the best trial in a few lines."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.composition.snapshot import snapshot
from ml_playground.durable import write_text
from ml_playground.errors import RunError, printable
from ml_playground.runs.listing import OUTPUTS
from ml_playground.sweeping.confirmation import (
    Candidate,
    Confirmation,
    confirmed_first,
    read_confirmation,
    show_difference,
)
from ml_playground.sweeping.extension import Extended, Extension, extended_first, read_extension
from ml_playground.sweeping.gain import find_baseline, show_amount, show_gain
from ml_playground.sweeping.leaderboard import leaderboard, to_csv
from ml_playground.sweeping.names import short_names, show_params, show_scores
from ml_playground.sweeping.points import values_of
from ml_playground.sweeping.ranking import ranked
from ml_playground.sweeping.study import DIVERGED, OUT_OF_MEMORY, reason
from ml_playground.sweeping.sweep import Sweep
from ml_playground.terminal.console import say
from ml_playground.terminal.numbers import short


@dataclass(frozen=True)
class Results:
    """What a sweep has found so far."""

    sweep: Sweep
    study: optuna.Study
    trials: Sequence[FrozenTrial]
    """Best first; the extended ones before the others, then the confirmed ones."""
    baseline: FrozenTrial | None
    confirmation: Confirmation | None
    extension: Extension | None

    @property
    def best(self) -> FrozenTrial | None:
        """The best trial, by its score at the longer budget or its confirmed mean if there is one; None if no trial is
        complete.
        """
        first = self.trials[0] if self.trials else None
        return first if first and first.state is TrialState.COMPLETE else None

    @property
    def confirmed(self) -> Candidate | None:
        """The runs on fresh seeds of the trial with the best mean, once all of the confirmation have ended."""
        return self.confirmation.best if self.confirmation else None

    @property
    def extended(self) -> Extended | None:
        """The best trial's longer run, once all of the extension have ended."""
        if self.extension is None or self.extension.best is None:
            return None
        return self.extension.runs[0][0]

    @property
    def command(self) -> str:
        """Command that trains the best values."""
        path = str(self.sweep.folder / "best.toml")
        return shlex.join(["mlp", "train", self.sweep.budget.base.experiment, "--exp-config", path])

    @property
    def answer(self) -> list[str]:
        """The best trial, and whether it is better than the experiment's values, as sentences."""
        sweep, best = self.sweep, self.best
        if best is None:
            return [f"no trial has a score yet: {_fates(self.trials)}"]
        gain = show_gain(sweep, best, self.baseline)
        params = show_params(values_of(best), short_names(sweep.space))
        lines = [f"best: trial {best.number}, {show_scores(best, sweep)}{gain and f', {gain}'}, with {params}"]
        return [*lines, *self._confirmed_lines(), *self._extended_lines()]

    def _confirmed_lines(self) -> list[str]:
        if self.confirmation is None:
            return []
        best = self.confirmed
        if best is None:
            failed = [reason for each in self.confirmation.candidates for reason in each.reasons]
            why = f"{self.confirmation.pending} runs are left" if self.confirmation.pending else failed[0]
            return [f"not confirmed: {why}"]
        seeds = len(best.scores)
        metric = self.sweep.objectives[0]
        lucky = best.optimism > 0 if self.sweep.directions[0] == "minimize" else best.optimism < 0
        luck = f"; the search had seen {best.trial.values[0]:.4f}, for the best of many trials is partly luck"
        which = (
            "" if self.best and self.best.number == best.trial.number else f", trial {best.trial.number} is the best"
        )
        mean = f"{metric} {best.mean:.4f} on average"
        lines = [f"confirmed on {seeds} fresh seeds{which}: {mean}{luck if lucky else ''}"]
        if difference := self.confirmation.differences.get(best.trial.number):
            lines.append(show_difference(self.sweep, difference, seeds))
        elif best is self.confirmation.baseline:
            lines.append("your own values are the best of those confirmed")
        return lines

    def _extended_lines(self) -> list[str]:
        extension = self.extension
        if extension is None:
            return []
        if extension.best is None:
            failed = [outcome.reason for _, outcome in extension.runs if outcome.score is None]
            return [f"not extended: {f'{extension.pending} runs are left' if extension.pending else failed[0]}"]
        trial, score = extension.best
        tokens = short(extension.factor * self.sweep.budget.tokens)
        metric = self.sweep.objectives[0]
        lines = [
            f"extended to {extension.factor} times the tokens, {tokens}: trial {trial.number}, {metric} {score:.4f},"
            f" {show_amount(score, trial.values[0])} than after {short(self.sweep.budget.tokens)}"
        ]
        if self.baseline and trial.number == self.baseline.number:
            lines.append("your own values are the best of those extended")
        elif extension.baseline is not None:
            gain = show_amount(score, extension.baseline)
            lines.append(f"{gain} than your values, extended too: {metric} {extension.baseline:.4f}; one seed each")
        return lines


def read_results(sweep: Sweep, study: optuna.Study) -> Results:
    """Return the results so far."""
    confirmation, extension = read_confirmation(sweep, study), read_extension(sweep, study)
    trials = confirmed_first(ranked(sweep, study, study.get_trials(deepcopy=False)), confirmation)
    trials = extended_first(trials, extension)
    return Results(sweep, study, trials, find_baseline(sweep, trials), confirmation, extension)


def write_results(sweep: Sweep, study: optuna.Study) -> Results:
    """Write the files, replacing existing ones. Without a complete trial, there is no ``best.toml``."""
    from ml_playground.sweeping.report import render_report  # imports Plotly, which takes longer than the rest

    results = read_results(sweep, study)
    rows = leaderboard(sweep, study, results.trials, results.confirmation, results.extension)
    write_text(sweep.folder / "leaderboard.csv", to_csv(rows))
    if results.best:
        write_text(sweep.folder / "best.toml", _best_toml(results, results.best))
    write_text(sweep.folder / "report.html", render_report(results, rows))
    return results


def tell_results(results: Results) -> None:
    """Report the best trial.

    Raises:
        RunError: If all trials are finished and none has a score.
    """
    folder = results.sweep.folder
    if not results.best and not any(trial.state is TrialState.RUNNING for trial in results.trials):
        fates = _fates(results.trials)
        raise RunError(f"{folder}: no trial has a score: {fates}; see the reasons in {folder / 'leaderboard.csv'}")
    for line in results.answer:
        say(line)
    say(f"report: {folder / 'report.html'}  (table: {folder / 'leaderboard.csv'})")
    if results.best:
        say(f"train it again: {results.command}")


def _fates(trials: Sequence[FrozenTrial]) -> str:
    """Summarize outcomes, such as ``2 diverged, 1 failed``, most frequent first."""
    fates = Counter(_fate(trial) for trial in trials)
    return ", ".join(f"{count} {fate}" for fate, count in fates.most_common())


def _fate(trial: FrozenTrial) -> str:
    if trial.state is TrialState.FAIL:
        return "failed"
    if trial.state is TrialState.RUNNING:
        return "running"
    return next((fate for fate in (DIVERGED, OUT_OF_MEMORY) if fate in reason(trial)), "pruned")


def _best_toml(results: Results, best: FrozenTrial) -> str:
    sweep = results.sweep
    extended = results.extended
    config = extended.config(sweep) if extended else sweep.trial_config(best.number, values_of(best))
    config.train.runtime.ckpt_stable = sweep.budget.base.train.runtime.ckpt_stable
    config.train.runtime.out_dir = config.sample.runtime.out_dir = OUTPUTS / f"{sweep.folder.name}-best"
    confirmed, notes = results.confirmed, ""
    if confirmed and confirmed.trial.number == best.number:
        notes = f" {confirmed.mean:.4f} on average over {len(confirmed.scores)} fresh seeds."
    if extended and results.extension:
        score = results.extension.score(best)
        notes += f" {score:.4f} with {extended.factor} times the tokens, as here; trained in {extended.folder(sweep)}."
    # Escape line breaks in the folder name, because a TOML comment is one line.
    head = printable(f"# Trial {best.number} of {sweep.folder}: {show_scores(best, sweep)}.{notes}")
    return f"{head}\n\n{snapshot(config)}"
