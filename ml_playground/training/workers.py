"""Choice of the number of processes that compute the gradients of an update together."""

from __future__ import annotations

import os
import platform

import torch

from ml_playground.errors import UserError
from ml_playground.training.config import Compile, TrainConfig
from ml_playground.training.device import Hardware

WORKERS = "train.runtime.workers"
_LEAST_FLOPS = 2e12
"""Of a run that is long enough, about 20 seconds: another process takes two seconds to start."""
_LEAST_TOKENS = 256
"""Of each worker in an update: with fewer, exchanging gradients takes as long as computing them."""


def choose_workers(config: TrainConfig, parameters: int, hardware: Hardware, saved: int | None) -> int:
    """Return the number of workers of a run.

    Args:
        config: Settings of the run; ``workers = 0`` leaves the choice to this function.
        parameters: Number of parameters of the model.
        hardware: Device and dtype. Its threads are torch's.
        saved: Number of workers in the checkpoint that the run resumes from; None for a new run.

    Raises:
        UserError: If more workers are wanted than can be had here.
    """
    runtime, data, threads = config.runtime, config.data, torch.get_num_threads()
    possible = _possible(config, hardware)
    if wanted := runtime.workers:
        if wanted > 1 and not possible:
            raise UserError(
                f"{WORKERS} = {wanted}: several workers train on CPUs with Linux only, and neither in float16 nor with"
                " eval_only; use 1"
            )
        if wanted > threads:
            raise UserError(f"{WORKERS} = {wanted}: more than this run has threads; use {threads} at most, or 0")
        return wanted
    if not possible or runtime.compile is Compile.on:
        return 1
    if saved is not None and saved <= threads:
        return saved
    if not _threads_sleep():
        return 1
    tokens = data.grad_accum_steps * data.batch_size * data.block_size
    if 6.0 * parameters * tokens * runtime.max_iters < _LEAST_FLOPS:
        return 1
    counts = [n for n in range(1, threads + 1) if threads % n == 0 and data.batch_size % n == 0]
    return max((n for n in counts if tokens >= n * _LEAST_TOKENS), default=1)


def _threads_sleep() -> bool:
    """Return whether threads without work free their cores for other processes soon, as ``ml_playground`` asks for."""
    return "GOMP_SPINCOUNT" in os.environ or os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"


def _possible(config: TrainConfig, hardware: Hardware) -> bool:
    on_cpu = hardware.device.type == "cpu" and hardware.dtype is not torch.float16  # whose loss scale is elsewhere
    return on_cpu and platform.system() == "Linux" and not config.runtime.eval_only
