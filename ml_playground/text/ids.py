"""Token ids, in the narrowest dtype that fits their vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TokenIds = NDArray[np.uint16] | NDArray[np.uint32]

END_OF_TEXT = "<|endoftext|>"
"""How the token between documents is displayed, as in GPT-2. The same characters in a text are plain text."""


def id_dtype(vocab_size: int) -> str:
    """Return NumPy's name of the narrowest integer dtype for ``0 .. vocab_size - 1``, as used in the token files."""
    return "<u2" if vocab_size <= 1 << 16 else "<u4"


def token_ids(values: Sequence[int] | NDArray[np.uint16] | NDArray[np.uint32], vocab_size: int) -> TokenIds:
    """Return ids as an array of shape (tokens,)."""
    return np.asarray(values, dtype=id_dtype(vocab_size))
