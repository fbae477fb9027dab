"""Causal attention, the same for all families."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def attention_dtype(value: Tensor) -> torch.dtype:
    """Number format of attention: on CPUs the backward of bfloat16 is several times slower than float32's."""
    return torch.float32 if value.device.type == "cpu" else value.dtype


def attend(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """What each new token takes from itself and from the past, shape (batch, heads, new tokens, head width).

    Args:
        query: Shape (batch, heads, new tokens, head width); the new tokens are the last of those seen.
        key: Shape (batch, heads or a divisor of it, tokens seen, head width).
        value: As ``key``.
        dropout: Share of the attention weights that are zeroed.
    """
    new, seen = query.shape[2], key.shape[2]
    # A single new token may look at everything; several new ones after a cached past need their own mask.
    mask = None
    if 1 < new < seen:
        mask = torch.ones(new, seen, dtype=torch.bool, device=query.device).tril(seen - new)
    dtype = attention_dtype(value)
    with torch.autocast(query.device.type, enabled=False):
        return F.scaled_dot_product_attention(
            query.to(dtype),
            key.to(dtype),
            value.to(dtype),
            mask,
            dropout,
            is_causal=new == seen,
            enable_gqa=query.shape[1] != key.shape[1],
        )
