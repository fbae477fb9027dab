"""Tuning of glibc's memory allocator for tensors that are allocated and freed at every step."""

from __future__ import annotations

import ctypes
import platform

# From malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST_BLOCK = 1 << 30
_NEVER = (1 << 31) - 1
_GROWTH = 64 << 20


def keep_freed_memory() -> None:
    """Let the process keep large freed blocks, so that the kernel need not zero them again at the next step.

    By default glibc returns blocks of 128 kB or more (a threshold that adapts up to 32 MB) to the system immediately,
    and each page of the next allocation costs a page fault: with logits of a large vocabulary, these take a third of
    the step time. The downside is that memory once used stays with the process. No-op with other C libraries.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
    libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)
    libc.mallopt(_M_TOP_PAD, _GROWTH)
