"""Checkpoints for tests that need no model."""

from __future__ import annotations

import dataclasses

import torch

from ml_playground.training.checkpoint import FORMAT, Checkpoint, LoadedCheckpoint
from ml_playground.training.rng import get_rng_state
from ml_playground.training.state import Progress

SIZE = 2000


def content(step: int) -> Checkpoint:
    """A whole checkpoint, in which every tensor of weights tells the step."""
    return {
        "format": FORMAT,
        "model_args": {"n_layer": 1},
        "tokenizer": {"kind": "char", "characters": "ab"},
        "data": "fingerprint",
        "config": {"train.runtime.max_iters": 12},
        "state": {
            "model": {name: torch.full((SIZE,), float(step)) for name in ("first", "second")},
            "optimizer": {
                "steps": {"first": torch.full((), float(step))},
                "exp_avg": {"first": torch.full((SIZE,), float(step))},
                "exp_avg_sq": {},
                "momentum": {},
            },
            "scaler": {},
            "ema": {},
            "rng": get_rng_state(torch.device("cpu")),
            "loss_sum": torch.zeros(()),
            "skipped": torch.zeros((), dtype=torch.int64),
            "progress": dataclasses.asdict(Progress(step=step)),
        },
    }


def weights_step(found: LoadedCheckpoint) -> int:
    """The step that all its weights tell; they must agree with one another and with its manifest."""
    state = found.checkpoint["state"]
    tensors = [*state["model"].values(), *state["optimizer"]["exp_avg"].values()]
    steps = {number for tensor in tensors for number in (tensor.min().item(), tensor.max().item())}
    assert steps == {found.step}, f"{found.path} is a mix of steps {steps} under the manifest of {found.step}"
    assert all(len(tensor) == SIZE for tensor in tensors)
    return found.step
