"""Validation loss: the same windows every time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ml_playground.dataset.batches import IGNORED, Batches
from ml_playground.training.device import Hardware

LossFunction = Callable[[Tensor, Tensor], Tensor]


def evaluate(
    loss_function: LossFunction, batches: Batches, limit: int, hardware: Hardware, stopped: Callable[[], bool]
) -> float | None:
    """Mean loss in nats per token over fixed windows; None where ``stopped`` became true on the way.

    Args:
        loss_function: Mean loss of (inputs, targets); in evaluation mode.
        limit: Batches at most, evenly spaced; 0 is all.
    """
    total = torch.zeros((), dtype=torch.float64)
    count = 0
    with torch.no_grad():
        for batch in batches.fixed(limit):
            if stopped():
                return None
            targets = int((batch.targets != IGNORED).sum())
            with hardware.autocast():
                loss = loss_function(hardware.place(batch.inputs), hardware.place(batch.targets))
            total += loss.double().cpu() * targets
            count += targets
    return total.item() / count
