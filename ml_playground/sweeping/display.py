"""Progress of a sweep: a live table on a terminal, otherwise a line per event."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import Self

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.durable import is_locked
from ml_playground.runs.folder import LOCK
from ml_playground.runs.manifest import find_manifest
from ml_playground.sweeping.config import LrScaling
from ml_playground.sweeping.confirmation import read_confirmation
from ml_playground.sweeping.database import StudyError
from ml_playground.sweeping.extension import pending_follow_ups, read_extension
from ml_playground.sweeping.gain import find_baseline, show_gain
from ml_playground.sweeping.names import short_names, show_params, show_scores, show_value
from ml_playground.sweeping.points import LEARNING_RATE, count_trained, values_of
from ml_playground.sweeping.progress import Progress, trained_tokens
from ml_playground.sweeping.ranking import ranked, status
from ml_playground.sweeping.sweep import Sweep
from ml_playground.terminal.console import console, say
from ml_playground.terminal.numbers import duration, short
from ml_playground.terminal.table import LiveTable, Table

_ROWS = 12


class SweepDisplay:
    """Shows each trial that starts or ends, and the remaining time."""

    def __init__(self, sweep: Sweep, study: optuna.Study) -> None:
        self._sweep = sweep
        self._study = study
        self._names = short_names(sweep.space)
        self._seen: dict[int, TrialState] = {}
        self._followed_up: Counter[str] = Counter()
        self._live = LiveTable()
        self._progress = Progress(sweep, study.get_trials(deepcopy=False))

    def __enter__(self) -> Self:
        sweep, budget, trials = self._sweep, self._sweep.budget, self._study.get_trials(deepcopy=False)
        done = [trial for trial in trials if trial.state.is_finished()]
        self._seen = {trial.number: trial.state for trial in done}
        say(
            f"sweep: {sweep.n_trials} trials of {budget.tokens:,} tokens, sampler {sweep.config.sampler.name}, pruner"
            f" {sweep.pruner.name}, {sweep.config.workers} at a time; evaluated every {budget.eval_tokens:,} tokens"
            f" with {budget.eval_block_size} tokens of context"
        )
        if sweep.baseline is not None:
            values = show_params(sweep.baseline, self._names)
            say(f"baseline: the experiment's own values are the first trial, which is not pruned: {values}")
        if (sweep.config.n_trials or 0) > sweep.n_trials:
            say(
                f"the space has {sweep.n_trials} points, fewer than n_trials = {sweep.config.n_trials}: the sweep ends"
                " when all of them are tried"
            )
        if sweep.config.confirm:
            say(self._confirmation_budget())
        if sweep.config.extend:
            say(self._extension_budget())
        curves = shlex.join(["tensorboard", "--logdir", str(sweep.folder)])
        say(f"sweep folder: {sweep.folder}  (curves: {curves})")
        if trials:
            say(
                f"resuming: {count_trained(done)} trials are done, {len(trials) - len(done)} were started"
                f"{self._best(done)}"
            )
        self._live.__enter__()
        return self

    def _confirmation_budget(self) -> str:
        top, seeds = self._sweep.config.confirm["top"], len(self._sweep.fresh_seeds)
        own, runs = ("", top * seeds) if self._sweep.baseline is None else (" and your values", (top + 1) * seeds)
        return (
            f"confirmation: the best {top}{own} on {seeds} fresh seeds each, at the end: {runs} runs, up to"
            f" {short(runs * self._sweep.budget.tokens)} tokens more; the search has up to"
            f" {short(self._sweep.n_trials * self._sweep.budget.tokens)} without pruning"
        )

    def _extension_budget(self) -> str:
        top, factor = self._sweep.config.extend["top"], self._sweep.config.extend["factor"]
        own, runs = ("", top) if self._sweep.baseline is None else (" and your values", top + 1)
        budget = self._sweep.budget
        whole, left = factor * budget.tokens, factor * budget.tokens - budget.stable_tokens
        return (
            f"extension: the best {top}{own} on to {factor} times the tokens, {short(whole)}, from their checkpoints"
            f" before the decay, at the end: {runs} runs, up to {short(runs * left)} tokens more"
        )

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            if not isinstance(error, StudyError):  # an update would wait for the database again
                self.update()
        finally:
            self._live.__exit__()

    @property
    def ended(self) -> int:
        """Number of trials and of follow-up runs that have ended."""
        return sum(state.is_finished() for state in self._seen.values()) + sum(self._followed_up.values())

    def update(self) -> None:
        """Refresh the display from the study."""
        trials = self._study.get_trials(deepcopy=False)
        for trial in trials:
            if self._seen.get(trial.number) is not trial.state:
                self._seen[trial.number] = trial.state
                self._tell(trial, trials)
        self._tell_follow_ups()
        if self._live.is_shown:
            self._live.update(self._table(trials), self._summary(trials))

    def _tell_follow_ups(self) -> None:
        if confirmation := read_confirmation(self._sweep, self._study):
            ended = sum(len(each.scores) + len(each.reasons) for each in confirmation.candidates)
            self._tell_ended("confirmation", ended, confirmation.pending)
        if extension := read_extension(self._sweep, self._study):
            self._tell_ended("extension", len(extension.runs), extension.pending)

    def _tell_ended(self, name: str, ended: int, pending: int) -> None:
        if ended != self._followed_up[name]:
            self._followed_up[name] = ended
            say(f"{name}: {ended} of {ended + pending} runs done")

    def _tell(self, trial: FrozenTrial, trials: list[FrozenTrial]) -> None:
        if trial.state.is_finished():
            done = [other for other in trials if other.state.is_finished()]
            say(f"trial {trial.number}: {status(trial, self._sweep)}{self._best(done)}; {self._summary(trials)}")
        elif not console.is_terminal:
            own = "your own values, " if self._sweep.is_baseline(values_of(trial)) else ""
            say(f"trial {trial.number}: {own}{show_params(values_of(trial), self._names)}")

    def _best(self, done: list[FrozenTrial]) -> str:
        complete = [trial for trial in ranked(self._sweep, self._study, done) if trial.state is TrialState.COMPLETE]
        if not complete:
            return ""
        best = complete[0]
        gain = show_gain(self._sweep, best, find_baseline(self._sweep, self._study.get_trials(deepcopy=False)))
        return f"; best so far: trial {best.number}, {show_scores(best, self._sweep)}{gain and f', {gain}'}"

    def _summary(self, trials: list[FrozenTrial]) -> str:
        done = count_trained(trial for trial in trials if trial.state.is_finished())
        line = f"{done} of {self._sweep.n_trials} done"
        if done >= self._sweep.n_trials and (runs := self._follow_ups()):
            return f"{line}; {runs}"
        if done >= self._sweep.n_trials or (left := self._progress.seconds_left(trials)) is None:
            return line
        return f"{line}, about {duration(left)} left"

    def _follow_ups(self) -> str:
        """Describe the follow-up runs in progress, such as ``extended/4x/0007 at 31 %``."""
        shares: list[str] = []
        for run in pending_follow_ups(self._sweep, self._study):
            folder = run.folder(self._sweep)
            if is_locked(folder / LOCK) and (manifest := find_manifest(folder)):
                name = folder.relative_to(self._sweep.folder)
                shares.append(f"{name} at {100 * manifest.step / manifest.max_iters:.0f} %")
        return ", ".join(shares)

    def _table(self, trials: list[FrozenTrial]) -> Table:
        scaled = ["scaled lr"] if self._sweep.budget.lr_scaling is not LrScaling.none else []
        numbers = ["trial", *self._names.values(), *scaled, "tokens", "%", *self._sweep.objectives]
        table = Table([*numbers, "status"], numbers=numbers)
        running = [trial for trial in trials if not trial.state.is_finished()]
        done = ranked(self._sweep, self._study, [trial for trial in trials if trial.state.is_finished()])
        # The best ones first; but the running ones are always shown.
        shown = done[: max(1, _ROWS - len(running))]
        for trial in [*shown, *running][:_ROWS]:
            tokens = trained_tokens(self._sweep, trial)
            cells = (
                str(trial.number),
                *(show_value(values_of(trial).get(key, "")) for key in self._names),
                *(show_value(trial.user_attrs.get(LEARNING_RATE, "")) for _ in scaled),
                short(tokens),
                f"{100 * tokens / self._sweep.budget.tokens:.0f}",
                *self._values(trial),
                status(trial, self._sweep) if trial.state is not TrialState.COMPLETE else "done",
            )
            table.add(*cells)
        return table

    def _values(self, trial: FrozenTrial) -> list[str]:
        if trial.values:
            return [f"{value:.4f}" for value in trial.values]
        last = trial.intermediate_values.get(trial.last_step or 0)
        return ["" if last is None else f"{last:.4f}", *[""] * (len(self._sweep.objectives) - 1)]
