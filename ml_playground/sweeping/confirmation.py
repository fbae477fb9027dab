"""Confirmation: the best trials and the baseline trained to the end on fresh seeds.

The best of many trials is partly the luckiest one, so its score in the search is too good. A mean over seeds that the
search has not seen is unbiased.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from ml_playground.config import ExperimentConfig
from ml_playground.runs.statistics import Difference, holm, seeds_needed, welch
from ml_playground.sweeping.followup import FollowUp
from ml_playground.sweeping.gain import find_baseline
from ml_playground.sweeping.points import duplicate_of
from ml_playground.sweeping.ranking import ranked
from ml_playground.sweeping.sweep import Sweep

_RESULT = "confirmation of trial"
"""Prefix of study attributes: the score of one run, or the reason why it has none."""


@dataclass(frozen=True)
class FreshSeed(FollowUp):
    """A run of a trial's values with a fresh seed."""

    seed: int

    @property
    def key(self) -> str:
        """Study attribute of the result."""
        return f"{_RESULT} {self.trial.number}, seed {self.seed}"

    def folder(self, sweep: Sweep) -> Path:
        """Return the run folder; those of one trial are compared as a group of seeds."""
        return sweep.folder / "confirmation" / f"{self.trial.number:04d}" / f"seed-{self.seed}"

    def config(self, sweep: Sweep) -> ExperimentConfig:
        """Return the experiment config of the run."""
        config = self.config_in_folder(sweep)
        config.train.runtime.seed = self.seed
        config.train.runtime.ckpt_stable = False
        return config


@dataclass(frozen=True)
class Candidate:
    """A trial and its scores on fresh seeds."""

    trial: FrozenTrial
    scores: Sequence[float]
    reasons: Sequence[str]
    """Why runs have no score."""
    pending: int
    """Number of runs that have not ended."""

    @property
    def mean(self) -> float:
        return statistics.fmean(self.scores)

    @property
    def is_confirmed(self) -> bool:
        """Whether all runs have a score."""
        return not self.reasons and not self.pending

    @property
    def optimism(self) -> float:
        """Confirmed mean minus the score in the search."""
        return self.mean - float(self.trial.values[0])


@dataclass(frozen=True)
class Confirmation:
    """All candidates, with the best mean first, and their differences from the baseline."""

    candidates: Sequence[Candidate]
    baseline: Candidate | None
    differences: dict[int, Difference]
    """By trial number; the mean of the trial minus that of the baseline."""

    @property
    def pending(self) -> int:
        """Number of runs that have not ended."""
        return sum(candidate.pending for candidate in self.candidates)

    @property
    def best(self) -> Candidate | None:
        """The candidate with the best mean; None until all runs have ended."""
        confirmed = [candidate for candidate in self.candidates if candidate.is_confirmed]
        return confirmed[0] if confirmed and not self.pending else None


def pending_runs(sweep: Sweep, study: optuna.Study) -> list[FreshSeed]:
    """Return the runs of the confirmation that have no result yet, seed by seed; empty before the search has ended."""
    trials = study.get_trials(deepcopy=False)
    if not sweep.config.confirm or any(trial.state is TrialState.RUNNING for trial in trials):
        return []
    results = study.user_attrs
    runs = [FreshSeed(trial, seed) for seed in sweep.fresh_seeds for trial in _chosen(sweep, study)]
    return [run for run in runs if run.key not in results]


def read_confirmation(sweep: Sweep, study: optuna.Study) -> Confirmation | None:
    """Return the state of the confirmation; None if there is none, or no run has ended."""
    trials = study.get_trials(deepcopy=False)
    results = study.user_attrs
    if not sweep.config.confirm or not any(key.startswith(_RESULT) for key in results):
        return None
    # Those confirmed before n_trials was raised remain candidates.
    confirmed = [trial for trial in trials if all(FreshSeed(trial, seed).key in results for seed in sweep.fresh_seeds)]
    running = any(trial.state is TrialState.RUNNING for trial in trials)
    chosen = confirmed if running else [*_chosen(sweep, study), *confirmed]
    unique = {trial.number: trial for trial in chosen}
    candidates = [_candidate(sweep, trial, results) for trial in unique.values()]
    sign = 1 if sweep.directions[0] == "minimize" else -1
    candidates.sort(key=lambda each: (not each.is_confirmed, sign * each.mean if each.scores else 0.0))
    baseline = find_baseline(sweep, trials)
    own = next((each for each in candidates if baseline and each.trial.number == baseline.number), None)
    return Confirmation(candidates, own, compare_with(own, candidates) if own else {})


def confirmed_first(trials: Sequence[FrozenTrial], confirmation: Confirmation | None) -> list[FrozenTrial]:
    """Return ranked trials with those that are confirmed before the others, the best mean first."""
    if confirmation is None or confirmation.best is None:
        return list(trials)
    first = [candidate.trial.number for candidate in confirmation.candidates if candidate.is_confirmed]
    return sorted(trials, key=lambda trial: first.index(trial.number) if trial.number in first else len(first))


def best_trials(
    sweep: Sweep, study: optuna.Study, top: int, confirmation: Confirmation | None = None
) -> list[FrozenTrial]:
    """Return the best complete trials, by their confirmed means if there are any, and the baseline."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    complete = [trial for trial in trials if duplicate_of(trial) is None]
    baseline = find_baseline(sweep, complete)
    order = confirmed_first(ranked(sweep, study, complete), confirmation)
    others = [trial for trial in order if baseline is None or trial.number != baseline.number]
    return [*others[:top], *([baseline] if baseline else [])]


def compare_with(baseline: Candidate, candidates: Sequence[Candidate]) -> dict[int, Difference]:
    """Compare candidates with the baseline by Welch's t-test, corrected for their number by Holm's method."""
    tests: dict[int, Difference] = {}
    for candidate in candidates:
        if candidate is not baseline and len(candidate.scores) > 1 and len(baseline.scores) > 1:
            test = welch(baseline.scores, candidate.scores)
            if test:
                tests[candidate.trial.number] = test
    return dict(zip(tests, holm(list(tests.values())), strict=True))


def show_difference(sweep: Sweep, difference: Difference, seeds: int) -> str:
    """Describe a candidate's difference from the baseline, and whether it is noise."""
    lower = difference.value < 0
    better = lower == (sweep.directions[0] == "minimize")
    evidence = (
        f"{sweep.objectives[0]} {difference.value:+.4f}, 95 % interval {difference.low:+.4f} to {difference.high:+.4f},"
        f" p = {difference.p:.2g}, {difference.method}"
    )
    if difference.significant:
        return f"{'better' if better else 'worse'} than your values: {evidence}"
    needed = seeds_needed(difference.value, difference.noise) if difference.value else None
    more = f"; about {max(1, needed - seeds)} more seeds each would tell such a difference" if needed else ""
    return f"not distinguishable from your values: {evidence}{more}"


def _chosen(sweep: Sweep, study: optuna.Study) -> list[FrozenTrial]:
    return best_trials(sweep, study, sweep.config.confirm.get("top", 0))


def _candidate(sweep: Sweep, trial: FrozenTrial, results: dict[str, object]) -> Candidate:
    runs = [FreshSeed(trial, seed) for seed in sweep.fresh_seeds]
    known = [outcome for run in runs if (outcome := run.outcome(results))]
    scores = [outcome.score for outcome in known if outcome.score is not None]
    reasons = [outcome.reason for outcome in known if outcome.score is None]
    return Candidate(trial, scores, reasons, len(runs) - len(known))
