"""The C library's memory allocator, tuned for tensors that come and go at every step."""

from __future__ import annotations

import ctypes
import platform

# From malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_LARGEST_BLOCK = 1 << 30
_NEVER = (1 << 31) - 1
_GROWTH = 64 << 20


def keep_freed_memory() -> None:
    """Let the process keep large blocks that it frees, so that the next step need not have them zeroed by the kernel.

    By default glibc gives blocks from 128 kB (up to 32 MB, as it learns) back at once, and every page of the next one
    costs a fault: with logits of a large vocabulary these take a third of the time of a step. The price is that memory
    once used stays with the process. Does nothing where the C library is another one.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
    libc.mallopt(_M_TRIM_THRESHOLD, _NEVER)
    libc.mallopt(_M_TOP_PAD, _GROWTH)
