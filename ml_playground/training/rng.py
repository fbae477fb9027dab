"""States of the random number generators used in training."""

from __future__ import annotations

import random
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor


class RngState(TypedDict):
    """RNG states, in types that ``torch.load(weights_only=True)`` accepts."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy: tuple[Tensor, int, int, float]
    """Key, position, flag for a cached normal deviate, and that deviate, of the global MT19937."""
    torch: Tensor
    device: list[Tensor]
    """One per CUDA device, one for MPS, none for the CPU."""


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def get_rng_state(device: torch.device) -> RngState:
    """Return the current states."""
    mersenne = np.random.get_state(legacy=False)
    key = torch.from_numpy(mersenne["state"]["key"].astype(np.int64))
    return {
        "python": random.getstate(),
        "numpy": (key, mersenne["state"]["pos"], mersenne["has_gauss"], mersenne["gauss"]),
        "torch": torch.get_rng_state(),
        "device": _device_states(device),
    }


def set_rng_state(state: RngState, device: torch.device) -> None:
    """Restore saved states.

    Device states are ignored if this machine has other devices, which then keep their seeded states.
    """
    random.setstate(state["python"])
    keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    saved, now = state["device"], _device_states(device)
    if [len(each) for each in saved] != [len(each) for each in now]:
        return
    if device.type == "cuda":
        torch.cuda.set_rng_state_all(saved)
    elif device.type == "mps":
        torch.mps.set_rng_state(saved[0])


def _device_states(device: torch.device) -> list[Tensor]:
    if device.type == "cuda":
        return torch.cuda.get_rng_state_all()
    return [torch.mps.get_rng_state()] if device.type == "mps" else []
