"""Estimate the memory that training needs and compare it with what the machine has."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ml_playground.errors import OutOfMemoryError, TooLargeError
from ml_playground.models.base import LanguageModel
from ml_playground.training.config import OptimizerKind, TrainConfig
from ml_playground.training.device import Hardware
from ml_playground.training.optimizers.muon import inner_matrices

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"))
_EXHAUSTED = re.compile("can't allocate memory|cannot allocate memory|not enough memory|out of memory", re.IGNORECASE)


@dataclass(frozen=True)
class Estimate:
    """Peak memory of training, in bytes."""

    state: int
    """Weights, gradients, moments and EMA weights, and the copy made for saving."""
    window: int
    """Activations that autograd saves for one window of tokens."""
    windows: int
    """Windows per batch."""

    @property
    def total(self) -> int:
        return self.state + self.windows * self.window

    def __str__(self) -> str:
        return (
            f"about {_size(self.total)} ({_size(self.state)} weights and optimizer,"
            f" {_size(self.windows * self.window)} activations)"
        )


def estimate(model: LanguageModel, config: TrainConfig, hardware: Hardware) -> Estimate:
    """Estimate peak memory by measuring the forward pass of one and of two windows and counting the rest.

    The states of random number generators are preserved.

    Raises:
        TooLargeError: If there is not even enough memory for these passes.
    """
    parameters = {name: p.numel() for name, p in model.trained_parameters().items()}
    muons = inner_matrices(model) if config.optim.optimizer is OptimizerKind.muon else {}
    weights = sum(p.numel() for p in model.parameters())
    moments = sum((1 if name in muons else 2) * count for name, count in parameters.items())
    ema = sum(parameters.values()) if config.runtime.ema_decay else 0
    saved = weights + moments + ema
    try:
        one, two = (_kept_bytes(model, windows, config.data.block_size, hardware) for windows in (1, 2))
    except (MemoryError, RuntimeError) as error:
        if exhausted(error, config):
            length = config.data.block_size
            raise TooLargeError(
                f"train.data.block_size = {length}: not even two windows fit into memory; use a smaller one"
            ) from error
        raise
    state = 4 * (2 * saved + sum(parameters.values())) + one - (two - one)
    return Estimate(state, two - one, config.data.batch_size)


def refuse_too_large(parameters: int, trained: int, config: TrainConfig, hardware: Hardware) -> None:
    """Compare the memory for the parameters alone with the free memory, before allocating anything.

    Args:
        parameters: Number of parameters.
        trained: Number of those that are trained; each has a gradient and one or two moments.

    Raises:
        TooLargeError: If the model cannot fit.
    """
    copies = 0 if config.runtime.eval_only else 2
    free, wanted = free_bytes(hardware.device), 4 * (parameters + copies * trained)
    if free is not None and wanted > free:
        raise TooLargeError(
            f"train.model: {parameters:,} parameters need at least {_size(wanted)} with gradients and optimizer, and"
            f" {_size(free)} are free; use a smaller model"
        )


def refuse_too_much(wanted: Estimate, config: TrainConfig, hardware: Hardware) -> None:
    """Compare an estimate with the free memory.

    Raises:
        TooLargeError: If it cannot fit; the message suggests a batch size that would.
    """
    free = free_bytes(hardware.device)
    if free is None or wanted.total <= free:
        return
    problem = f"training needs {wanted}, and {_size(free)} are free"
    data = config.data
    most = min(data.batch_size - 1, max(0, free - wanted.state) // max(1, wanted.window))
    for size in range(most, 0, -1):
        if data.batch_size % size == 0:
            steps = data.grad_accum_steps * data.batch_size // size
            raise TooLargeError(
                f"train.data.batch_size = {data.batch_size}: {problem}; use batch_size = {size} and grad_accum_steps ="
                f" {steps}, which is the same update"
            )
    raise TooLargeError(f"train.model: {problem}; use a smaller model, or a shorter train.data.block_size")


def exhausted(error: Exception, config: TrainConfig) -> OutOfMemoryError | None:
    """Convert an out-of-memory error into the error to raise; None for any other error."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and _EXHAUSTED.search(str(error))
    ):
        data = config.data
        return OutOfMemoryError(
            f"train.data.batch_size = {data.batch_size}: there is not enough memory for it; use a smaller one, and as"
            f" many times more grad_accum_steps than {data.grad_accum_steps} for the same update"
        )
    return None


def free_bytes(device: torch.device) -> int | None:
    """Return the memory in bytes that the process can still allocate, or None if the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
        free = int(meminfo.split("MemAvailable:")[1].split()[0]) * 1024
    except (OSError, IndexError, ValueError):  # not Linux; installed memory is the best guess
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit, used = (int(path.read_text(encoding="ascii")) for path in _LIMITS)
        return min(free, limit - used)
    except (OSError, ValueError):  # no cgroup, or no limit in it
        return free


def installed_bytes() -> int:
    """Return the memory in bytes of the machine, or of the container."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(installed, int(_LIMITS[0].read_text(encoding="ascii")))
    except (OSError, ValueError):  # no cgroup, or no limit in it
        return installed


def _kept_bytes(model: LanguageModel, windows: int, length: int, hardware: Hardware) -> int:
    """Return the bytes that autograd saves in a forward pass, excluding parameters."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        # Autograd would never free an operation's own output that it holds through a hook.
        return tensor.detach()

    ids = torch.zeros(windows, length, dtype=torch.int64, device=hardware.device)
    devices = [hardware.device] if hardware.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices),
        hardware.autocast(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        model.loss(ids, ids)
    return sum(kept.values())


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
