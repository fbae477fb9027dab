"""Resuming is exact in every combination of settings, and only because every part of the state is restored."""

from __future__ import annotations

import copy
import itertools
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from ml_playground.config import ExperimentConfig
from ml_playground.errors import Stopped
from ml_playground.runs.train import train
from ml_playground.training.optimizers.adamw import AdamW
from ml_playground.training.state import StateDict, TrainState
from ml_playground.training.trainer import Trainer
from tests.integration.conftest import Tiny, differences, last, logged, sampled, steps

CUTS = (1, 7, 12, 19)
SETTINGS = list(itertools.product(("random", "shuffled"), (1, 3), (0.0, 0.9), (0.0, 0.2), ("char", "bpe")))
# Each combination with one cut and one family in the suite; all cuts and families at night.
FAMILIES = ("gpt", "gpt", "gpt", "qwen3", "qwen3")
COVERING = [
    (FAMILIES[number % len(FAMILIES)], *setting, CUTS[number % len(CUTS)]) for number, setting in enumerate(SETTINGS)
]
ALL = [(family, *setting, cut) for family in ("gpt", "qwen3") for setting in SETTINGS for cut in CUTS]

Case = tuple[str, str, int, float, float, str, int]


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Ask to stop in the update that ends in this step."""
    update, updates = AdamW.step, 0

    def update_and_count(optimizer: AdamW, skip: torch.Tensor | None = None) -> None:
        nonlocal updates
        updates += 1
        if updates == step:
            os.kill(os.getpid(), signal.SIGTERM)
        update(optimizer, skip)

    monkeypatch.setattr(AdamW, "step", update_and_count)


def assert_resumes_exactly(
    monkeypatch: pytest.MonkeyPatch, config: Callable[[str], ExperimentConfig], cuts: tuple[int, ...]
) -> None:
    """A run in sessions of so many updates, and then to its end, equals one in a single session.

    Args:
        config: The experiment with a run folder of that name.
    """
    train(config("whole"))
    for cut, step in zip(cuts, itertools.accumulate(cuts), strict=True):
        with monkeypatch.context() as patched:
            stop_at(patched, cut)
            with pytest.raises(Stopped, match=f"stopped at step {step}, saved"):
                train(config("parts"))
    train(config("parts"))
    assert differences(last(Path("whole")).checkpoint, last(Path("parts")).checkpoint) == []
    assert logged(Path("parts")) == logged(Path("whole"))


def check(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    family, sampler, accumulation, ema, dropout, tokenizer, cut = case

    def config(name: str) -> ExperimentConfig:
        # Each family with the optimizer that suits it.
        return tiny(
            prepare={"tokenizer": tokenizer, "vocab_size": 300},
            train={
                "model": {"family": family, "dropout": dropout},
                "data": {"sampler": sampler, "grad_accum_steps": accumulation},
                "optim": {"optimizer": "muon" if family == "qwen3" else "adamw"},
                "runtime": {"max_iters": 20, "ema_decay": ema, "out_dir": name},
            },
        )

    assert_resumes_exactly(monkeypatch, config, (cut,))
    whole, parts = Path("whole"), Path("parts")
    assert steps(parts) == steps(whole)
    assert sampled(parts) == sampled(whole)
    assert len(sampled(parts)) == 200


@pytest.mark.parametrize("case", COVERING, ids=str)
def test_a_resumed_run_is_equal_bit_for_bit(tiny: Tiny, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    check(tiny, monkeypatch, case)


@pytest.mark.nightly
@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_resumed_run_is_equal_bit_for_bit_in_every_case(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    check(tiny, monkeypatch, case)


WHOLE: dict[str, StateDict] = {}
"""The end of the run that nothing interrupts, by number format."""
Component = tuple[str, ...]
# Every part that a resumed run must not lose.
COMPONENTS: list[Component] = [
    ("model",),
    ("optimizer", "exp_avg"),
    ("optimizer", "exp_avg_sq"),
    ("optimizer", "steps"),
    ("optimizer", "momentum"),
    ("scaler",),
    ("ema",),
    ("rng", "torch"),
    ("rng", "python"),
    ("rng", "numpy"),
    ("loss_sum",),
    ("skipped",),
    *[
        ("progress", name)
        for name in ("step", "tokens", "evaluated", "smoothed", "best", "best_step", "patience", "top")
    ],
]


def without(component: Component, saved: StateDict, fresh: StateDict) -> StateDict:
    """The saved state with one part as a fresh run has it."""
    changed: dict[str, object] = {**saved}
    source: dict[str, object] = {**fresh}
    if len(component) == 1:
        changed[component[0]] = source[component[0]]
    else:
        table, name = component
        inner = cast("dict[str, object]", source[table])
        changed[table] = {**cast("dict[str, object]", changed[table]), name: inner[name]}
    return cast("StateDict", changed)


@pytest.mark.parametrize("component", [None, *COMPONENTS], ids=str)
def test_leaving_out_one_part_of_the_state_is_noticed(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, component: Component | None
) -> None:
    def config(name: str) -> ExperimentConfig:
        # With greater as better the best lies before the cut; float16 has a scaler whose state changes.
        runtime = {
            "max_iters": 20,
            "out_dir": name,
            "dtype": "float16" if component == ("scaler",) else "float32",
            "ema_decay": 0.9,
            "best_smoothing_alpha": 0.5,
            "ckpt_top_k": 3,
            "ckpt_greater_is_better": True,
            "ckpt_metric": "train_loss",
            "on_nonfinite": "skip",
        }
        return tiny(train={"model": {"dropout": 0.2}, "optim": {"optimizer": "muon"}, "runtime": runtime})

    average, accumulate, load = TrainState.update_ema, Trainer.accumulate_gradients, TrainState.load_state_dict

    def average_and_draw(state: TrainState) -> None:
        random.random()  # as code of others may; the run itself draws from torch alone
        np.random.rand()
        average(state)

    def accumulate_and_poison(trainer: Trainer) -> torch.Tensor:
        loss = accumulate(trainer)
        return loss * float("nan") if trainer.progress.step == 5 else loss

    def load_without(state: TrainState, saved: StateDict) -> None:
        load(state, without(component, saved, copy.deepcopy(state.state_dict())) if component else saved)

    monkeypatch.setattr(TrainState, "update_ema", average_and_draw)
    monkeypatch.setattr(Trainer, "accumulate_gradients", accumulate_and_poison)
    monkeypatch.setattr(TrainState, "load_state_dict", load_without)
    dtype = "float16" if component == ("scaler",) else "float32"
    if dtype not in WHOLE:
        train(config("whole"))
        WHOLE[dtype] = last(Path("whole")).checkpoint["state"]
    with monkeypatch.context() as patched:
        stop_at(patched, 10)
        with pytest.raises(Stopped):
            train(config("parts"))
    train(config("parts"))
    found = differences(WHOLE[dtype], last(Path("parts")).checkpoint["state"])
    assert bool(found) is bool(component), found
