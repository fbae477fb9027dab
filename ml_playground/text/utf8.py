"""UTF-8 as bytes: what text is between a source and a tokenizer, so that the fast ones need not decode it."""

from __future__ import annotations

import numpy as np

# The second to last bytes of a character are 0x80 to 0xBF, which are the smallest signed ones.
_FIRST_AFTER = -64
_LONGEST_CHARACTER = 4


def characters(chunk: bytes) -> int:
    """How many characters these whole ones are."""
    return int(np.count_nonzero(np.frombuffer(chunk, np.int8) >= _FIRST_AFTER))


def position(chunk: bytes, count: int) -> int:
    """The byte behind the first ``count`` characters; a chunk has at least as many."""
    starts = np.flatnonzero(np.frombuffer(chunk, np.int8) >= _FIRST_AFTER)
    return int(starts[count]) if count < len(starts) else len(chunk)


def whole(block: bytes) -> int:
    """The byte behind the last character that is whole: a block read from a file may end within one."""
    for end in range(len(block) - 1, max(-1, len(block) - _LONGEST_CHARACTER), -1):
        if block[end] >= 0xC0:
            width = 2 + (block[end] >= 0xE0) + (block[end] >= 0xF0)
            return len(block) if len(block) - end >= width else end
        if block[end] < 0x80:
            break
    return len(block)
