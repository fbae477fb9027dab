# SciPy has no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

import random
import statistics as pystatistics

import pytest
from scipy import stats

from ml_playground.runs.statistics import Noise, holm, pooled, power, seeds_needed, student, welch

FIRST, SECOND = [2.61, 2.58, 2.64, 2.60, 2.57], [2.55, 2.52, 2.58, 2.49]


def test_welch_is_scipys() -> None:
    ours, theirs = welch(FIRST, SECOND), stats.ttest_ind(SECOND, FIRST, equal_var=False)
    assert ours is not None
    assert ours.p == pytest.approx(theirs.pvalue)
    interval = theirs.confidence_interval()
    assert [ours.low, ours.high] == pytest.approx([interval.low, interval.high])
    assert ours.value == pytest.approx(pystatistics.fmean(SECOND) - pystatistics.fmean(FIRST))
    assert ours.significant
    variances = [pystatistics.variance(group) for group in (FIRST, SECOND)]
    assert ours.noise.deviation == pytest.approx((sum(variances) / 2) ** 0.5)


def test_values_that_do_not_scatter_cannot_be_tested() -> None:
    assert welch([1.0, 1.0], [2.0, 2.0]) is None
    assert student([1.0], [2.0], Noise(0.0, 3), "others") is None


def test_a_single_run_is_compared_with_the_deviation_of_others() -> None:
    noise = pooled([FIRST, SECOND, [1.0]])
    assert noise is not None
    assert noise.degrees == 7
    squares = 4 * pystatistics.variance(FIRST) + 3 * pystatistics.variance(SECOND)
    assert noise.deviation == pytest.approx((squares / 7) ** 0.5)
    difference = student(FIRST[:1], SECOND[:1], noise, "others")
    assert difference is not None
    statistic = (SECOND[0] - FIRST[0]) / (noise.deviation * 2**0.5)
    assert difference.p == pytest.approx(2 * stats.t.sf(abs(statistic), 7))
    assert "with the deviation of others" in difference.method
    assert pooled([[1.0], [2.0]]) is None


def test_holm_multiplies_the_smallest_p_by_the_number_of_comparisons() -> None:
    differences = [welch(FIRST, [value + shift for value in FIRST]) for shift in (-0.05, 0.1, 0.049)]
    known = [difference for difference in differences if difference is not None]
    ps = [difference.p for difference in known]
    adjusted = holm(known)
    assert ps[1] < ps[0] < ps[2] < 2 * ps[0], "a larger p never becomes the smaller one"
    assert [difference.p for difference in adjusted] == pytest.approx([2 * ps[0], 3 * ps[1], 2 * ps[0]])
    assert adjusted[0].high - adjusted[0].low > known[0].high - known[0].low
    assert holm(known[:1]) == known[:1]


def test_power_is_that_of_simulated_tests() -> None:
    generator = random.Random(1)
    found = 0
    for _ in range(2000):
        groups = [[generator.gauss(mean, 1.0) for _ in range(5)] for mean in (0.0, 2.0)]
        found += stats.ttest_ind(*groups).pvalue < 0.05
    assert power(2.0, 1.0, 5) == pytest.approx(found / 2000, abs=0.03)


def test_seeds_needed_are_the_fewest_with_a_power_of_80_percent() -> None:
    needed = seeds_needed(1.0, Noise(1.0, 8))
    assert needed == 17  # as G*Power and R's power.t.test say
    assert seeds_needed(1e-6, Noise(1.0, 8)) is None
    assert power(0.0, 1.0, 5) == pytest.approx(0.05)
