"""An update by one process with a thread per core, against one process of one thread per core."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch

import ml_playground as mlp
from ml_playground.dataset.windows import Batch
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import create_model
from ml_playground.training.config import Device, Dtype, TrainConfig
from ml_playground.training.device import Hardware, choose_hardware
from ml_playground.training.gradients import accumulate, count_targets
from ml_playground.training.optimizers.build import build_optimizer
from ml_playground.training.replicas import Replicas

_VOCABULARY = 88
_UPDATES = 40
"""Of each in a row, before the other's turn."""


def measure(rounds: int) -> None:
    """Print the median milliseconds of an update of two experiments, in both number formats."""
    print("| experiment | numbers | threads, ms | workers, ms | ratio |\n|---|---|---|---|---|")
    for name in ("bundestag_char", "shakespeare_char_nanogpt"):
        config = mlp.load_experiment(name).train
        for dtype in dict.fromkeys((choose_hardware(Device.cpu, Dtype.auto).dtype, torch.float32)):
            threads, workers = _compare(config, dtype, rounds)
            numbers = str(dtype).removeprefix("torch.")
            print(f"| {name} | {numbers} | {threads:.1f} | {workers:.1f} | {threads / workers:.2f}x |", flush=True)


def _compare(config: TrainConfig, dtype: torch.dtype, rounds: int) -> tuple[float, float]:
    hardware = replace(choose_hardware(Device.cpu, Dtype.auto), dtype=dtype, workers=torch.get_num_threads())
    batch = _batch(config)
    with Replicas(shared := create_model(config.model.args(_VOCABULARY)), hardware, seed=1) as replicas:
        own = create_model(config.model.args(_VOCABULARY))
        alone = _update(config, own, hardware, lambda: accumulate(own.loss, [batch], count_targets([batch]), hardware))
        together = _update(config, shared, hardware, lambda: replicas.accumulate([batch], 1))
        while not replicas.ready:
            together()
        times: dict[Callable[[], None], list[float]] = {alone: [], together: []}
        for _ in range(rounds):
            for update, each in times.items():
                for _ in range(_UPDATES):
                    started = time.perf_counter()
                    update()
                    each.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[alone]), statistics.median(times[together])


def _batch(config: TrainConfig) -> Batch:
    ids = torch.randint(_VOCABULARY, (config.data.batch_size, config.data.block_size + 1))
    return Batch(ids[:, :-1], ids[:, 1:])


def _update(
    config: TrainConfig, model: LanguageModel, hardware: Hardware, compute: Callable[[], torch.Tensor]
) -> Callable[[], None]:
    optimizer = build_optimizer(model, config.optim, hardware.dtype)

    def update() -> None:
        compute()
        optimizer.step()
        optimizer.zero_grad()

    return update
