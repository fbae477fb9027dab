"""Tensors in memory that several processes share. It has no name, and is freed with the last of them."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Mapping

import torch
from torch import Tensor

_ALIGNMENT = 64
"""Of each tensor, in bytes: the width of a cache line and of the widest vector instructions."""


def allocate(tensors: Mapping[str, Tensor]) -> int:
    """Allocate memory for tensors of these shapes, and return its file descriptor, which another process may inherit.

    Linux only.
    """
    descriptor = os.memfd_create("ml-playground")
    os.ftruncate(descriptor, max(1, sum(_padded(tensor) for tensor in tensors.values())))
    return descriptor


def shared(descriptor: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors in shared memory of the same names, shapes and dtypes as those it was allocated for."""
    memory = mmap.mmap(descriptor, 0)
    found, offset = dict[str, Tensor](), 0
    for name, like in tensors.items():
        found[name] = torch.frombuffer(memory, dtype=like.dtype, count=like.numel(), offset=offset).view(like.shape)
        offset += _padded(like)
    return found


def _padded(tensor: Tensor) -> int:
    return math.ceil(tensor.nbytes / _ALIGNMENT) * _ALIGNMENT
