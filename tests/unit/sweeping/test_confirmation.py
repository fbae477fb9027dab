"""Confirmed means are unbiased and their intervals cover; the score of the search's winner is too good."""

from __future__ import annotations

import math

import pytest

from benchmarks.confirming import NOISE, simulate

SWEEPS = 400


@pytest.mark.parametrize("top", [1, 3])
def test_confirmed_means_are_unbiased_and_the_interval_covers(top: int) -> None:
    found = simulate(SWEEPS, top=top)
    assert abs(found.bias) < 4 * found.error
    assert found.optimism < -NOISE / 2, "the winner of the search is partly lucky"
    assert found.coverage > 0.95 - 3 * math.sqrt(0.95 * 0.05 / SWEEPS)
