"""Length, schedule and rate of a trial follow from its tokens per update."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.composition.load import compose_experiment
from ml_playground.config import ExperimentConfig
from ml_playground.sweeping.budget import Budget, tokens_per_update
from ml_playground.sweeping.config import LrScaling
from ml_playground.sweeping.leaves import Params

COMPOSITION = compose_experiment("bundestag_char")
BASE = COMPOSITION.resolve()


def settings(params: Params, scaling: LrScaling = LrScaling.none, tokens: int = 3_000_000) -> ExperimentConfig:
    return Budget(BASE, tokens, tokens // 10, 32, scaling).settings(COMPOSITION, params, Path("trial"))


@given(st.integers(1, 64), st.integers(32, 256), st.integers(1, 8))
def test_every_trial_sees_the_budget_to_half_an_update(batch: int, block: int, accumulation: int) -> None:
    config = settings(
        {
            "train.data.batch_size": batch,
            "train.data.block_size": block,
            "train.data.grad_accum_steps": accumulation,
        }
    )
    update = tokens_per_update(config)
    assert update == batch * block * accumulation
    assert abs(config.train.runtime.max_iters * update - 3_000_000) <= update / 2
    stretch = config.train.runtime.max_iters / BASE.train.runtime.max_iters
    assert config.train.schedule.warmup_iters == pytest.approx(BASE.train.schedule.warmup_iters * stretch, abs=0.5)
    assert config.train.model.block_size == block
    assert config.train.runtime.eval_block_size == 32


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1), ("sqrt", 2), ("linear", 4)])
def test_the_rate_follows_the_tokens_of_an_update(scaling: str, factor: int) -> None:
    params: Params = {"train.data.batch_size": 4 * BASE.train.data.batch_size}
    optim, base = settings(params, LrScaling[scaling]).train.optim, BASE.train.optim
    assert optim.learning_rate == pytest.approx(factor * base.learning_rate)
    assert optim.muon_learning_rate == pytest.approx(factor * base.muon_learning_rate)


def test_the_floor_keeps_its_ratio_to_a_searched_rate_and_what_is_searched_is_kept() -> None:
    config = settings({"train.optim.learning_rate": 1e-5, "train.schedule.warmup_iters": 7})
    ratio = BASE.train.schedule.min_lr / BASE.train.optim.learning_rate
    assert config.train.optim.learning_rate == pytest.approx(1e-5)
    assert config.train.schedule.min_lr == pytest.approx(1e-5 * ratio)
    assert config.train.schedule.warmup_iters == 7
