"""Text as UTF-8 bytes, its form between a source and a tokenizer, so that fast tokenizers need not decode it."""

from __future__ import annotations

import numpy as np

# Continuation bytes are 0x80 to 0xBF, the smallest values when read as signed integers.
_FIRST_AFTER = -64
_LONGEST_CHARACTER = 4


def characters(chunk: bytes) -> int:
    """Return the number of characters in a chunk of complete characters."""
    return int(np.count_nonzero(np.frombuffer(chunk, np.int8) >= _FIRST_AFTER))


def position(chunk: bytes, count: int) -> int:
    """Return the byte offset after the first ``count`` characters; the chunk must have at least that many."""
    starts = np.flatnonzero(np.frombuffer(chunk, np.int8) >= _FIRST_AFTER)
    return int(starts[count]) if count < len(starts) else len(chunk)


def whole(block: bytes) -> int:
    """Return the byte offset after the last complete character: a block read from a file may end within one."""
    for end in range(len(block) - 1, max(-1, len(block) - _LONGEST_CHARACTER), -1):
        if block[end] >= 0xC0:
            width = 2 + (block[end] >= 0xE0) + (block[end] >= 0xF0)
            return len(block) if len(block) - end >= width else end
        if block[end] < 0x80:
            break
    return len(block)
