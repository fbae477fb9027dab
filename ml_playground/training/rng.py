"""States of the random generators that training may draw from."""

from __future__ import annotations

import random
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor


class RngState(TypedDict):
    """In types that ``torch.load(weights_only=True)`` takes."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy: tuple[Tensor, int, int, float]
    """Key, position, and the spare normal deviate with its presence flag, of the global MT19937."""
    torch: Tensor
    device: list[Tensor]
    """One a CUDA device, one for MPS, none for the CPU."""


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def get_rng_state(device: torch.device) -> RngState:
    """The states now."""
    mersenne = np.random.get_state(legacy=False)
    key = torch.from_numpy(mersenne["state"]["key"].astype(np.int64))
    return {
        "python": random.getstate(),
        "numpy": (key, mersenne["state"]["pos"], mersenne["has_gauss"], mersenne["gauss"]),
        "torch": torch.get_rng_state(),
        "device": _device_states(device),
    }


def set_rng_state(state: RngState, device: torch.device) -> None:
    """Go on from earlier states.

    Those of devices that this machine lacks are of no use to the ones that it has: these stay as they were seeded.
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
