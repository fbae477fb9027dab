"""Progress of a sweep in training tokens, and the time that is left."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from ml_playground.runs.manifest import find_manifest
from ml_playground.sweeping.points import TAKEN_FROM, count_trained, duplicate_of
from ml_playground.sweeping.sweep import Sweep


def trained_tokens(sweep: Sweep, trial: FrozenTrial) -> int:
    """Return the tokens that a trial was trained on, as far as they are recorded."""
    if duplicate_of(trial) is not None or TAKEN_FROM in trial.user_attrs:
        return 0
    if trial.state is TrialState.COMPLETE:
        return sweep.budget.tokens
    if trial.state is TrialState.PRUNED:
        return min(trial.last_step or 0, sweep.budget.tokens)
    manifest = find_manifest(sweep.trial_folder(trial.number))
    return min(manifest.tokens, sweep.budget.tokens) if manifest else 0


class Progress:
    """Estimates the remaining time from the tokens that running and pending trials still have.

    Trials are expected to be pruned as those before them: a trial that has seen some tokens will see as many as, on
    average, the finished ones that came at least as far. The rate is that of the sweep since this object was created,
    over all processes.
    """

    def __init__(self, sweep: Sweep, trials: Sequence[FrozenTrial]) -> None:
        self._sweep = sweep
        self._ended: dict[int, int] = {}
        self._since = time.monotonic()
        self._before = self.tokens(trials)

    def tokens(self, trials: Sequence[FrozenTrial]) -> int:
        """Return the training tokens of all trials so far."""
        return sum(map(self._trained, trials))

    def seconds_left(self, trials: Sequence[FrozenTrial], *, elapsed: float | None = None) -> float | None:
        """Return the expected seconds until the last trial ends; None if the rate is not known yet.

        Args:
            trials: All trials.
            elapsed: Seconds since this object was created; measured by default.
        """
        elapsed = time.monotonic() - self._since if elapsed is None else elapsed
        trained = self.tokens(trials) - self._before
        if trained <= 0 or elapsed <= 0:
            return None
        ended = [
            self._trained(trial)
            for trial in trials
            if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) and self._trained(trial)
        ]
        running = [self._trained(trial) for trial in trials if trial.state is TrialState.RUNNING]
        left = [self._expected(ended, tokens) - tokens for tokens in running]
        pending = max(0, self._sweep.n_trials - count_trained(trials))
        tokens_left = sum(left) + pending * self._expected(ended, 0)
        rate = trained / elapsed
        # At the end, workers have nothing left to do, and the longest trial counts.
        longest = max(left, default=0.0) * max(1, len(running))
        return max(tokens_left, longest) / rate

    def _expected(self, ended: Sequence[int], tokens: int) -> float:
        """Return how many tokens a trial will have seen at its end that has already seen ``tokens``."""
        further = [total for total in ended if total > tokens]
        return statistics.fmean(further) if further else float(self._sweep.budget.tokens)

    def _trained(self, trial: FrozenTrial) -> int:
        if trial.number not in self._ended:
            tokens = trained_tokens(self._sweep, trial)
            if not trial.state.is_finished():
                return tokens
            self._ended[trial.number] = tokens
        return self._ended[trial.number]
