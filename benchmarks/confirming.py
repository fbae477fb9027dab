"""Simulated sweeps with known means and noise: is a confirmed mean unbiased, and does its interval cover the truth?"""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass

from optuna.trial import FrozenTrial, create_trial

from ml_playground.sweeping.confirmation import Candidate, compare_with

SWEEPS = 1_000
NOISE = 0.02
"""Standard deviation over seeds."""
SPREAD = 0.02
"""Standard deviation of the true means of a sweep's trials."""


@dataclass(frozen=True)
class Simulated:
    """What simulated sweeps have found."""

    optimism: float
    """Mean of the winner's score in the search minus its true mean."""
    bias: float
    """Mean of the confirmed means of the candidates minus their true means."""
    error: float
    """Standard error of ``bias``."""
    coverage: float
    """Share of sweeps in which all intervals contain the true differences from the baseline."""


def simulate(sweeps: int, *, trials: int = 20, top: int = 1, seeds: int = 3, seed: int = 1) -> Simulated:
    """Simulate sweeps over trials whose true means and noise are normally distributed; the first is the baseline."""
    chance = random.Random(seed)  # noqa: S311  # not a secret
    optimism: list[float] = []
    errors: list[float] = []
    covered = 0
    for _ in range(sweeps):
        truth = [chance.gauss(1.5, SPREAD) for _ in range(trials)]
        search = [chance.gauss(mean, NOISE) for mean in truth]
        order = sorted(range(1, trials), key=lambda number: search[number])
        optimism.append(min(search) - truth[search.index(min(search))])
        chosen = [0, *order[:top]]
        runs = {number: [chance.gauss(truth[number], NOISE) for _ in range(seeds)] for number in chosen}
        candidates = [Candidate(_trial(number, search[number]), runs[number], [], 0) for number in chosen]
        errors.append(statistics.fmean(each.mean - truth[each.trial.number] for each in candidates[1:]))
        intervals = compare_with(candidates[0], candidates)
        covered += all(
            interval.low <= truth[number] - truth[0] <= interval.high for number, interval in intervals.items()
        )
    spread = statistics.stdev(errors) / math.sqrt(sweeps)
    return Simulated(statistics.fmean(optimism), statistics.fmean(errors), spread, covered / sweeps)


def measure(_rounds: int) -> None:
    """Print the optimism of the search, the bias of confirmed means and the coverage of 95 % intervals."""
    print(f"{SWEEPS:,} simulated sweeps of 20 trials; the noise over seeds and the spread of true means are {NOISE}")
    for top, seeds in ((1, 3), (1, 5), (3, 3), (3, 5)):
        found = simulate(SWEEPS, top=top, seeds=seeds)
        print(
            f"top {top}, {seeds} seeds: the winner's score in the search {found.optimism:+.4f}, confirmed means"
            f" {found.bias:+.4f} ± {found.error:.4f}, coverage {100 * found.coverage:.1f} %"
        )


def _trial(number: int, score: float) -> FrozenTrial:
    trial = create_trial(value=score)
    trial.number = number
    return trial
