"""Is a difference between two groups of runs more than noise?

Runs of the same settings with other seeds scatter, roughly as a normal distribution does. Welch's t-test compares two
groups of at least two without assuming that they scatter equally. A single run is compared with the deviation of other
runs, by Student's t-test. Permutation tests are not used: with three seeds a group they cannot reach 5 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from scipy import special

LEVEL = 0.05
"""Significance level; intervals cover ``1 - LEVEL``."""
POWER = 0.8
MAX_SEEDS = 1000


@dataclass(frozen=True)
class Noise:
    """Standard deviation of a metric over seeds, and how well it is known."""

    deviation: float
    degrees: float
    """Degrees of freedom of the estimate."""


@dataclass(frozen=True)
class Difference:
    """Difference of the means of two groups, the second minus the first."""

    value: float
    low: float
    """Lower end of the 95 % confidence interval."""
    high: float
    p: float
    """Probability of a difference at least this large if there is none, two-sided."""
    method: str
    noise: Noise

    @property
    def significant(self) -> bool:
        return self.p < LEVEL


def welch(first: Sequence[float], second: Sequence[float]) -> Difference | None:
    """Compare two groups of at least two values by Welch's t-test; None if neither scatters at all."""
    parts = [statistics.variance(group) / len(group) for group in (first, second)]
    squared = sum(parts)
    if squared == 0:
        return None
    degrees = squared**2 / sum(part**2 / (len(group) - 1) for part, group in zip(parts, (first, second), strict=True))
    pooled = math.sqrt(sum(statistics.variance(group) for group in (first, second)) / 2)
    noise = Noise(pooled, degrees)
    return _difference(first, second, math.sqrt(squared), noise, "Welch's t-test")


def student(first: Sequence[float], second: Sequence[float], noise: Noise, source: str) -> Difference | None:
    """Compare groups whose deviation is known from elsewhere, by Student's t-test; None if it is zero.

    Args:
        first: One or more values.
        second: One or more values.
        noise: The deviation of each.
        source: Whose deviation it is.
    """
    if noise.deviation == 0:
        return None
    error = noise.deviation * math.sqrt(1 / len(first) + 1 / len(second))
    return _difference(first, second, error, noise, f"Student's t-test with the deviation of {source}")


def pooled(groups: Sequence[Sequence[float]]) -> Noise | None:
    """Return the common deviation of groups of values; None without a group of at least two."""
    groups = [group for group in groups if len(group) > 1]
    degrees = sum(len(group) - 1 for group in groups)
    if not degrees:
        return None
    squares = sum(statistics.variance(group) * (len(group) - 1) for group in groups)
    return Noise(math.sqrt(squares / degrees), degrees)


def holm(differences: Sequence[Difference]) -> list[Difference]:
    """Return differences with p-values for several comparisons at once, by Holm's method (1979).

    The intervals are Bonferroni's, which is conservative: they are widened by the factor of the quantiles.
    """
    count = len(differences)
    adjusted: dict[int, float] = {}
    highest = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda index: differences[index].p)):
        highest = max(highest, min(1.0, differences[index].p * (count - rank)))
        adjusted[index] = highest
    return [_widened(difference, adjusted[index], count) for index, difference in enumerate(differences)]


def seeds_needed(difference: float, noise: Noise) -> int | None:
    """Return how many seeds per group find a difference with a probability of ``POWER``; None if above ``MAX_SEEDS``.

    Args:
        difference: True difference of the means.
        noise: Taken as exact.
    """
    return next((n for n in range(2, MAX_SEEDS + 1) if power(difference, noise.deviation, n) >= POWER), None)


def power(difference: float, deviation: float, seeds: int) -> float:
    """Return the probability that a two-sided t-test with ``seeds`` values per group finds a true difference."""
    degrees = 2 * seeds - 2
    shift = abs(difference) / (deviation * math.sqrt(2 / seeds))
    critical = _quantile(degrees, LEVEL)
    upper = 1 - float(special.nctdtr(degrees, shift, critical))
    return upper + float(special.nctdtr(degrees, shift, -critical))


def _difference(first: Sequence[float], second: Sequence[float], error: float, noise: Noise, method: str) -> Difference:
    value = statistics.fmean(second) - statistics.fmean(first)
    p = 2 * float(special.stdtr(noise.degrees, -abs(value) / error))
    reach = _quantile(noise.degrees, LEVEL) * error
    return Difference(value, value - reach, value + reach, p, method, noise)


def _widened(difference: Difference, p: float, count: int) -> Difference:
    degrees = difference.noise.degrees
    factor = _quantile(degrees, LEVEL / count) / _quantile(degrees, LEVEL)
    reach = factor * (difference.high - difference.value)
    method = difference.method if count == 1 else f"{difference.method}, Holm's correction for {count} comparisons"
    return replace(difference, p=p, low=difference.value - reach, high=difference.value + reach, method=method)


def _quantile(degrees: float, level: float) -> float:
    """Return the two-sided critical value of Student's t distribution."""
    return float(special.stdtrit(degrees, 1 - level / 2))
