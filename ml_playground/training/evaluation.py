"""Validation loss over a fixed set of windows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ml_playground.dataset.batches import Batches
from ml_playground.dataset.windows import IGNORED
from ml_playground.training.device import Hardware
from ml_playground.training.world import World

LossFunction = Callable[..., Tensor]
"""Mean loss of inputs, targets and perhaps positions."""


def evaluate(
    loss_function: LossFunction,
    batches: Batches,
    limit: int,
    hardware: Hardware,
    stopped: Callable[[], bool] = lambda: False,
    world: World = World(),  # noqa: B008  # immutable
) -> float | None:
    """Return the mean loss in nats per token over fixed windows; None if ``stopped`` returned True meanwhile.

    Args:
        loss_function: Mean loss of a batch's tensors, in evaluation mode.
        limit: Maximum number of batches, evenly spaced; 0 is all.
        stopped: Checked before each batch.
        world: Each process evaluates its shard; the mean is over all of them.
    """
    total = torch.zeros(2, dtype=torch.float64)  # sum of losses, number of targets
    with torch.no_grad():
        for batch in batches.fixed(limit, world.rank, world.size):
            if stopped():
                return None
            targets = int((batch.targets != IGNORED).sum())
            if not targets:  # all targets are masked, so the mean would be NaN
                continue
            with hardware.autocast():
                loss = loss_function(*map(hardware.place, batch.tensors))
            total += torch.stack([loss.double().cpu() * targets, torch.tensor(float(targets), dtype=torch.float64)])
    total = world.sum(total)
    return float(total[0] / total[1])
