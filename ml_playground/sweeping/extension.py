"""Extension: the best trials and the baseline trained on to a multiple of the tokens, from before their decay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.config import ExperimentConfig
from ml_playground.sweeping.budget import tokens_per_update
from ml_playground.sweeping.confirmation import best_trials, pending_runs, read_confirmation
from ml_playground.sweeping.followup import FollowUp, Outcome
from ml_playground.sweeping.gain import find_baseline
from ml_playground.sweeping.points import TAKEN_FROM
from ml_playground.sweeping.sweep import Sweep
from ml_playground.training.checkpoint_manifest import stable_manifest


@dataclass(frozen=True)
class Extended(FollowUp):
    """A trial that is trained on to a multiple of its steps, with its own seed."""

    factor: int

    @property
    def key(self) -> str:
        return f"extension of trial {self.trial.number} to {self.factor} times the tokens"

    def folder(self, sweep: Sweep) -> Path:
        return sweep.folder / "extended" / f"{self.factor}x" / f"{self.trial.number:04d}"

    def config(self, sweep: Sweep) -> ExperimentConfig:
        """Return the trial's settings, with the same warm-up and a decay that ends at the new end.

        Up to the start of the trial's decay, both runs are the same.
        """
        config = self.config_in_folder(sweep)
        config.train.runtime.max_iters *= self.factor
        config.train.schedule.lr_decay_iters *= self.factor
        return config

    def source(self, sweep: Sweep) -> Path | None:
        """Return the longest run of this trial that has kept its state before the decay."""
        shorter = [Extended(self.trial, factor).folder(sweep) for factor in range(self.factor - 1, 1, -1)]
        origin = self.trial.user_attrs.get(TAKEN_FROM)
        folders = [*shorter, Path(str(origin)) if origin else sweep.trial_folder(self.trial.number)]
        return next((folder for folder in folders if stable_manifest(folder)), None)

    def tokens(self, sweep: Sweep) -> int:
        """Return the tokens that remain to be trained after those of the run that it continues."""
        config, source = self.config(sweep), self.source(sweep)
        kept = stable_manifest(source) if source else None
        return (config.train.runtime.max_iters - (kept.step if kept else 0)) * tokens_per_update(config)


@dataclass(frozen=True)
class Extension:
    """All extended trials, the best first, and those that are still to be extended."""

    factor: int
    runs: Sequence[tuple[Extended, Outcome]]
    pending: int
    baseline: float | None
    """Score of the extended baseline."""

    @property
    def ranked(self) -> list[tuple[FrozenTrial, float]]:
        """The trials that have a score at the longer budget, the best first."""
        return [(run.trial, outcome.score) for run, outcome in self.runs if outcome.score is not None]

    @property
    def best(self) -> tuple[FrozenTrial, float] | None:
        """The best trial and its score; None until all runs have ended."""
        return self.ranked[0] if self.ranked and not self.pending else None

    def score(self, trial: FrozenTrial) -> float | None:
        """Return a trial's score at the longer budget; None if it has none."""
        return next((score for other, score in self.ranked if other.number == trial.number), None)


def pending_follow_ups(sweep: Sweep, study: optuna.Study) -> Sequence[FollowUp]:
    """Return the follow-up runs without a result: those of the confirmation, which decides which trials are extended,
    and then those of the extension. Empty before the search has ended.
    """
    return pending_runs(sweep, study) or pending_extensions(sweep, study)


def pending_extensions(sweep: Sweep, study: optuna.Study) -> list[Extended]:
    """Return the trials that are still to be extended; empty before the search and the confirmation have ended."""
    trials = study.get_trials(deepcopy=False)
    if not sweep.config.extend or any(trial.state is TrialState.RUNNING for trial in trials):
        return []
    if pending_runs(sweep, study):
        return []
    results = study.user_attrs
    return [run for run in _chosen(sweep, study) if run.key not in results]


def read_extension(sweep: Sweep, study: optuna.Study) -> Extension | None:
    """Return the state of the extension; None if there is none, or no run has ended."""
    if not sweep.config.extend:
        return None
    trials, results = study.get_trials(deepcopy=False), study.user_attrs
    pending = pending_extensions(sweep, study)
    ended = _ended(sweep, trials, results)
    if not ended:
        return None
    sign = 1 if sweep.directions[0] == "minimize" else -1
    ended.sort(key=lambda each: math.inf if each[1].score is None else sign * each[1].score)
    own = find_baseline(sweep, trials)
    baseline = next((outcome.score for run, outcome in ended if own and run.trial.number == own.number), None)
    return Extension(sweep.config.extend["factor"], ended, len(pending), baseline)


def extended_first(trials: Sequence[FrozenTrial], extension: Extension | None) -> list[FrozenTrial]:
    """Return ranked trials with those that were extended before the others, the best first."""
    if extension is None or extension.best is None:
        return list(trials)
    first = [trial.number for trial, _ in extension.ranked]
    return sorted(trials, key=lambda trial: first.index(trial.number) if trial.number in first else len(first))


def _ended(
    sweep: Sweep, trials: Iterable[FrozenTrial], results: Mapping[str, object]
) -> list[tuple[Extended, Outcome]]:
    runs = (Extended(trial, sweep.config.extend["factor"]) for trial in trials)
    return [(run, outcome) for run in runs if (outcome := run.outcome(results))]


def _chosen(sweep: Sweep, study: optuna.Study) -> list[Extended]:
    """Return the best trials, by their confirmed means if there are any, and the baseline."""
    top, factor = sweep.config.extend["top"], sweep.config.extend["factor"]
    return [Extended(trial, factor) for trial in best_trials(sweep, study, top, read_confirmation(sweep, study))]
