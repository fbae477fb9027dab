"""Cost of checkpoints: the same steps with and without a save.

Uses the medium model (6 layers, 6 heads, 384 wide, block size 256, batch size 8) with the default interval of one save
per 250 steps. The save runs in a thread while training continues, so its cost is the extra total time of the steps.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.amp.grad_scaler import GradScaler

from ml_playground.models.gpt import GPT, GPTArgs
from ml_playground.training.checkpoint import FORMAT, Checkpoint
from ml_playground.training.config import Device, Dtype, OptimConfig, TrainRuntimeConfig
from ml_playground.training.device import choose_hardware
from ml_playground.training.optimizers.build import build_optimizer
from ml_playground.training.saving import CheckpointWriter
from ml_playground.training.state import Progress, TrainState

_STEPS = 10
_ARGS = GPTArgs(n_layer=6, n_head=6, n_embd=384, block_size=256, bias=False, vocab_size=65, dropout=0.0)


def measure(rounds: int) -> None:
    """Print the fraction of training time spent on saving."""
    hardware = choose_hardware(Device.cpu, Dtype.auto)
    model = GPT(_ARGS)
    state = TrainState(
        model,
        build_optimizer(model, OptimConfig(), hardware.dtype),
        GradScaler("cpu", enabled=False),
        0.0,
        hardware.device,
    )
    ids = torch.randint(65, (8, 257))
    runtime = TrainRuntimeConfig()

    def steps() -> None:
        for _ in range(_STEPS):
            with hardware.autocast():
                loss = model.loss(ids[:, :-1], ids[:, 1:])
            loss.backward()
            state.optimizer.step()
            state.optimizer.zero_grad()

    steps()
    plain: list[float] = []
    saving: list[float] = []
    for number in range(rounds):
        started = time.perf_counter()
        steps()
        plain.append(time.perf_counter() - started)
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            progress = Progress(step=number, evaluated=number, best_step=number)
            with CheckpointWriter(Path(folder), runtime, lambda _: None) as writer:
                writer.save(_checkpoint(state), progress)
                steps()
            saving.append(time.perf_counter() - started)
    step = statistics.median(plain) / _STEPS
    extra = statistics.median(saving) - statistics.median(plain)
    share = extra / (runtime.eval_interval * step)
    print(f"saving last and best: {extra:.2f} s more for a step time of {step:.2f} s, one save in")
    print(f"{runtime.eval_interval} steps: {100 * share:.2f} % of training time")


def _checkpoint(state: TrainState) -> Checkpoint:
    return {
        "format": FORMAT,
        "model_args": state.model.args,
        "tokenizer": {},
        "data": "",
        "config": {},
        "state": state.state_dict(),
    }
