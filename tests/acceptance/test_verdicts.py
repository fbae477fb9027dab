"""The verdict of ``mlp compare`` on recorded runs of one model with 2,000 seeds."""

from __future__ import annotations

import pytest
from scipy import stats

from benchmarks.comparing import PAIRS, SEEDS, found, recorded
from ml_playground.runs.statistics import LEVEL, power


def interval(count: int, rate: float) -> tuple[int, int]:
    """Numbers of successes between which 95 % of all experiments are."""
    low, high = (int(stats.binom.ppf(share, count, rate)) for share in (0.025, 0.975))
    return low, high


def test_equal_groups_are_told_apart_as_rarely_as_the_level_says() -> None:
    low, high = interval(PAIRS, LEVEL)
    assert low <= found(PAIRS, 0.0) <= high


@pytest.mark.parametrize("effect", [1.0, 2.0, 3.0])
def test_a_planted_effect_is_found_as_often_as_the_power_says(effect: float) -> None:
    low, high = interval(PAIRS, power(effect, 1.0, SEEDS))
    assert low <= found(PAIRS, effect) <= high


def test_the_recorded_runs_are_what_the_benchmark_needs() -> None:
    curves = recorded()
    assert len(curves) == 2 * PAIRS * SEEDS
    assert len({tuple(curve) for curve in curves}) == len(curves), "each seed is another run"
