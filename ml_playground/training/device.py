"""Selection of device, data type, threads and compilation, made once per process."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import torch

from ml_playground.errors import UserError
from ml_playground.training.allocator import keep_freed_memory
from ml_playground.training.config import Compile, Device, Dtype

_DTYPES = {Dtype.float32: torch.float32, Dtype.bfloat16: torch.bfloat16, Dtype.float16: torch.float16}
# torch's default, read before anything changes it.
_TORCHS_THREADS = torch.get_num_threads()
_CPU_QUOTA, _CPU_INFO = Path("/sys/fs/cgroup/cpu.max"), Path("/proc/cpuinfo")
# Compilation takes up to 30 seconds, and makes steps 2 to 20 % faster on CPUs and about twice as fast on CUDA: it pays
# off for runs longer than 15 minutes on a CPU, or one minute on CUDA. The decision uses the total number of steps, so
# that a resumed run computes exactly as before.
_COMPILED_FROM_FLOPS = {"cpu": 2e14, "cuda": 1e16}


@dataclass(frozen=True)
class Hardware:
    """Device of the tensors, data type of matrix multiplications, compilation, and processes that share the work."""

    device: torch.device
    dtype: torch.dtype
    compiled: bool = False
    workers: int = 1

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return a context in which matrix multiplications of the model run in ``dtype``."""
        if self.dtype is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self.dtype)

    def place(self, tensor: torch.Tensor) -> torch.Tensor:
        """Move the tensor to the device. On CUDA the copy is asynchronous."""
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def __str__(self) -> str:
        threads = f" with {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        if self.workers > 1:
            threads += f" in {self.workers} processes"
        compiled = ", compiled" if self.compiled else ""
        return f"{self.device.type}{threads}, {str(self.dtype).removeprefix('torch.')}{compiled}"


def choose_hardware(device: Device, dtype: Dtype, threads: int = 0, *, table: str = "train.runtime") -> Hardware:
    """Resolve ``auto``, check that the requested hardware is available, and configure torch for it.

    Args:
        table: TOML table of the settings, for error messages.

    Raises:
        UserError: If the device is not available, or there are more threads than CPUs.
    """
    kind = _device_type(device, table)
    if threads > (cpus := os.cpu_count() or 1):
        raise UserError(f"{table}.threads = {threads}: this machine has {cpus} CPUs; use {cpus} at most, or 0")
    if kind == "cpu":
        torch.set_num_threads(threads or cores())
        keep_freed_memory()
    elif kind == "cuda":
        torch.set_float32_matmul_precision("high")  # TF32
    return Hardware(torch.device(kind), _auto_dtype(kind) if dtype is Dtype.auto else _DTYPES[dtype])


def processor(device: torch.device) -> str:
    """Return the model name of the processor that a device is."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError):  # not Linux
        for line in _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def compile_pays(wanted: Compile, device: torch.device, flops: float) -> bool:
    """Return whether to compile a model for a run of ``flops`` floating point operations in total."""
    if wanted is not Compile.auto:
        return wanted is Compile.on
    return flops >= _COMPILED_FROM_FLOPS.get(device.type, math.inf) and has_compiler()


def has_compiler() -> bool:
    """Return whether the C++ compiler and headers that TorchInductor needs are installed."""
    headers = Path(sysconfig.get_path("include")) / "Python.h"
    return headers.exists() and any(shutil.which(name) for name in ("c++", "g++", "clang++"))


def cores() -> int:
    """Return the number of cores available to this process; torch ignores a container's CPU quota."""
    try:
        quota, period = _CPU_QUOTA.read_text(encoding="ascii").split()
        return min(_TORCHS_THREADS, max(1, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup, or its quota is "max"
        return _TORCHS_THREADS


def _device_type(device: Device, table: str) -> str:
    available = {"cpu": True, "mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    if device is Device.auto:
        return "mps" if available["mps"] else "cpu"
    if not available[device.name]:
        have = " or ".join(name for name, there in available.items() if there)
        raise UserError(f"{table}.device: there is no '{device.name}' on this machine; use 'auto' or {have}")
    return device.name


def _auto_dtype(kind: str) -> torch.dtype:
    if kind == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if kind == "cpu":
        capabilities = torch.cpu.get_capabilities()
        if any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16")):
            return torch.bfloat16
    return torch.float32
