"""Floating point operations of training."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from ml_playground.models.base import LanguageModel
from ml_playground.training.device import Hardware


def flops_per_token(model: LanguageModel, length: int, hardware: Hardware) -> float:
    """Return the floating point operations of training on one token, in windows of ``length`` tokens.

    The forward pass is measured, attention included. The backward pass computes as much for the gradients of the
    activations and, for each weight that is trained, as much again (Kaplan et al., 2020). What gradient checkpointing
    computes twice counts once, as in Chowdhery et al. (2022). The states of random number generators are preserved.
    """
    ids = torch.zeros(1, length, dtype=torch.int64, device=hardware.device)
    devices = [hardware.device] if hardware.device.type == "cuda" else []
    with (
        torch.no_grad(),
        torch.random.fork_rng(devices),
        hardware.autocast(),
        FlopCounterMode(display=False) as counter,
    ):
        model.loss(ids, ids)
    parameters = list(model.parameters())
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    share = trained / sum(parameter.numel() for parameter in parameters)
    return float(counter.get_total_flops()) * (2 + share) / length
