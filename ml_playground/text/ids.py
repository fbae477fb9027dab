"""Token ids, no wider than their vocabulary needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TokenIds = NDArray[np.uint16] | NDArray[np.uint32]

END_OF_TEXT = "<|endoftext|>"
"""How the token that stands between documents is shown, as GPT-2 has it. The same characters in a text are text."""


def id_dtype(vocab_size: int) -> str:
    """NumPy's name for the narrowest integers that hold ``0 .. vocab_size - 1``, as in the token files."""
    return "<u2" if vocab_size <= 1 << 16 else "<u4"


def token_ids(values: Sequence[int] | NDArray[np.uint16] | NDArray[np.uint32], vocab_size: int) -> TokenIds:
    """Ids as an array of shape (tokens,)."""
    return np.asarray(values, dtype=id_dtype(vocab_size))
