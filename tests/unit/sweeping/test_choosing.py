"""The simulated sweeps of benchmarks/choosing.py have complete recordings."""

from __future__ import annotations

import math
from typing import cast

import pytest

from benchmarks.choosing import EVAL_TOKENS, PROBLEMS, RATE, TOKENS, recorded


@pytest.mark.parametrize("name", PROBLEMS)
def test_each_point_is_recorded_and_what_is_between_two_is_between_their_curves(name: str) -> None:
    problem = recorded(name)
    assert len(problem.curves) == math.prod(map(len, PROBLEMS[name].values()))
    assert {len(curve) for curve in problem.curves.values()} == {TOKENS // EVAL_TOKENS}
    first, *_ = problem.curves
    beside = sorted(cast("float", point[0]) for point in problem.curves if point[1:] == first[1:])[:2]
    params = dict(zip(problem.keys, first, strict=True))
    middle = problem.curve({**params, RATE: math.sqrt(beside[0] * beside[1])})
    low, high = (problem.curve({**params, RATE: rate}) for rate in beside)
    assert low == problem.curves[first]
    assert middle == pytest.approx([(one + other) / 2 for one, other in zip(low, high, strict=True)])
