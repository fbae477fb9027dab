from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.training.config import Decay, OptimConfig, ScheduleConfig
from ml_playground.training.schedule import learning_rate

OPTIM = OptimConfig(learning_rate=1.0)


def test_warm_up_is_linear_as_nanogpts() -> None:
    schedule = ScheduleConfig(warmup_iters=4, lr_decay_iters=10, min_lr=0.1)
    assert [learning_rate(step, OPTIM, schedule) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_the_cosine_goes_from_the_peak_over_the_middle_to_the_floor() -> None:
    schedule = ScheduleConfig(warmup_iters=2, lr_decay_iters=12, min_lr=0.2)
    assert learning_rate(2, OPTIM, schedule) == 1.0
    assert learning_rate(7, OPTIM, schedule) == pytest.approx(0.6)
    assert learning_rate(4, OPTIM, schedule) == pytest.approx(0.2 + 0.4 * (1 + math.cos(math.pi * 0.2)))
    assert [learning_rate(step, OPTIM, schedule) for step in (12, 13, 1000)] == [0.2, 0.2, 0.2]


def test_constant_stays_at_the_peak() -> None:
    schedule = ScheduleConfig(decay=Decay.constant, warmup_iters=1, lr_decay_iters=2)
    assert [learning_rate(step, OPTIM, schedule) for step in (0, 1, 2, 99)] == [0.5, 1, 1, 1]


def test_linear_goes_straight_to_the_floor() -> None:
    schedule = ScheduleConfig(decay=Decay.linear, warmup_iters=2, lr_decay_iters=12, min_lr=0.5)
    assert [learning_rate(step, OPTIM, schedule) for step in (2, 7, 12, 99)] == pytest.approx([1, 0.75, 0.5, 0.5])


def test_wsd_stays_and_then_goes_straight_to_the_floor() -> None:
    schedule = ScheduleConfig(decay=Decay.wsd, warmup_iters=2, lr_decay_iters=20, decay_fraction=0.5)
    rates = [learning_rate(step, OPTIM, schedule) for step in (2, 5, 10, 15, 20)]
    assert rates == pytest.approx([1, 1, 1, 0.5, 0])


@given(
    decay=st.sampled_from([Decay.cosine, Decay.linear, Decay.wsd]), fraction=st.floats(0.01, 1), step=st.integers(3, 60)
)
def test_after_warm_up_it_never_rises(decay: Decay, fraction: float, step: int) -> None:
    schedule = ScheduleConfig(decay=decay, warmup_iters=3, lr_decay_iters=50, decay_fraction=fraction)
    assert learning_rate(step + 1, OPTIM, schedule) <= learning_rate(step, OPTIM, schedule)


@given(warmup=st.integers(0, 50), decay=st.integers(1, 50), step=st.integers(0, 200), floor=st.floats(0, 1))
def test_the_rate_stays_between_zero_and_the_peak(warmup: int, decay: int, step: int, floor: float) -> None:
    schedule = ScheduleConfig(warmup_iters=warmup, lr_decay_iters=max(warmup, decay), min_lr=floor)
    rate = learning_rate(step, OPTIM, schedule)
    assert 0 < rate <= 1 or (rate == floor == 0 and step >= schedule.lr_decay_iters)
    assert step < warmup or rate >= floor
