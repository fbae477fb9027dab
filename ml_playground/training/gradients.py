"""Gradients of an update: the backward passes over its batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ml_playground.dataset.windows import IGNORED, Batch
from ml_playground.training.device import Hardware
from ml_playground.training.evaluation import LossFunction


def count_targets(batches: Sequence[Batch]) -> int:
    """Return the number of targets that count for the loss."""
    return sum(int((batch.targets != IGNORED).sum()) for batch in batches)


def accumulate(
    loss_function: LossFunction,
    batches: Sequence[Batch],
    all_targets: int,
    hardware: Hardware,
    scale: Callable[[Tensor], Tensor] = lambda loss: loss,
) -> Tensor:
    """Add the gradients of the mean loss to those of the parameters, and return these batches' part of the loss.

    Batches count by their number of targets, so that an update does not depend on how its batch is split.

    Args:
        loss_function: Mean loss of a batch's tensors.
        batches: Each is a forward and a backward pass.
        all_targets: Number of targets of the whole update, of which these batches may be a part.
        hardware: Where the model is.
        scale: Scales a loss before the backward pass.
    """
    total = torch.zeros((), device=hardware.device)
    for batch in batches:
        count = count_targets([batch])
        if not count:  # the mean of no losses is not a number
            continue
        share = all_targets / count
        with hardware.autocast():
            loss = loss_function(*map(hardware.place, batch.tensors))
        scale(loss / share).backward()
        total += loss.detach() / share
    return total
