"""Causal attention, shared by all model families."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ml_playground.models.kernels.autograd import Context

_BLOCK = 64
"""Number of queries computed at a time, with the keys up to the last of them: few of these are in the future."""
_FUTURE = torch.full((_BLOCK, _BLOCK), -math.inf).triu(1)
"""Added to the scores of a block with itself."""
_KEPT_PER_WIDTH = 4
"""Up to this many tokens per head width, attention weights are kept for the backward pass, for they take no more memory
than queries, keys, values and outputs; beyond it they are computed again, in 15 % of the time."""


def attention_dtype(value: Tensor) -> torch.dtype:
    """Return the dtype for torch's attention: on CPUs its bfloat16 backward is several times slower than float32."""
    return torch.float32 if value.device.type == "cpu" else value.dtype


def separating_mask(positions: Tensor) -> Tensor:
    """Return which tokens see which, shape (batch, 1, tokens, tokens), in rows of several texts.

    Args:
        positions: Shape (batch, tokens); each text begins at position 0.
    """
    texts = (positions == 0).cumsum(-1)
    return (texts[:, None, :, None] == texts[:, None, None, :]).tril()


def causal_attention(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0, mask: Tensor | None = None
) -> Tensor:
    """Compute causal scaled dot-product attention, shape (batch, heads, new tokens, head width).

    Args:
        query: Shape (batch, heads, new tokens, head width); the new tokens are the last of the seen tokens.
        key: Shape (batch, heads or a divisor of it, seen tokens, head width).
        value: Same shape as ``key``.
        dropout: Dropout probability of the attention weights.
        mask: True where a token sees another, shape (batch, 1, new tokens, seen tokens); by default, all up to itself.
    """
    new, seen = query.shape[2], key.shape[2]
    heads_share = query.shape[1] != key.shape[1]
    with torch.autocast(query.device.type, enabled=False):
        if _blocks_are_faster(value) and 1 < new == seen and not dropout:
            if heads_share:
                key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], 1) for x in (key, value))
            return cast("Tensor", _BlockedAttention.apply(query.to(value.dtype), key.to(value.dtype), value, mask))
        # A single new token attends to everything; several new tokens after cached ones need an explicit mask.
        if mask is None and 1 < new < seen:
            mask = torch.ones(new, seen, dtype=torch.bool, device=query.device).tril(seen - new)
        dtype = attention_dtype(value)
        return F.scaled_dot_product_attention(
            query.to(dtype),
            key.to(dtype),
            value.to(dtype),
            mask,
            dropout,
            is_causal=new == seen and mask is None,
            enable_gqa=heads_share,
        )


def _blocks_are_faster(value: Tensor) -> bool:
    if value.device.type != "cpu":
        return False
    # Compiled code of the blocks takes longer in float32 than torch's own kernel.
    return value.dtype is torch.bfloat16 or (value.dtype is torch.float32 and not torch.compiler.is_compiling())


class _BlockedAttention(torch.autograd.Function):
    """Attention by blocks of queries, each with the keys up to its end, for CPUs.

    Matrix multiplications are in the dtype of the values, the softmax is in float32. Forward and backward take 60 to
    95 % of the time of torch's flash attention in float32; in bfloat16, which that does not support well, 25 to 55 %.
    """

    @staticmethod
    def forward(ctx: Context, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        # One matrix per head and sequence: shape (batch * heads, tokens, head width).
        q, k, v = (x.flatten(0, 1) for x in (query / math.sqrt(query.shape[-1]), key, value))
        out, kept = torch.empty_like(q), list[Tensor]()
        keeps = q.shape[1] <= _KEPT_PER_WIDTH * q.shape[2]
        for block in _blocks(q):
            weights = _weights(q, k, mask, block)
            out[:, block] = torch.bmm(weights, v[:, : block.stop])
            if keeps:
                kept.append(weights)
        ctx.save_for_backward(q, k, v, mask, *kept)
        return out.view(query.shape)

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, mask, *kept = ctx.saved_tensors
        grad = grad_outputs[0].flatten(0, 1).to(q.dtype)
        grad_query, grad_key, grad_value = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for index, block in enumerate(_blocks(q)):
            seen = slice(block.stop)
            weights = kept[index] if kept else _weights(q, k, mask, block)
            grad_value[:, seen].baddbmm_(weights.transpose(1, 2), grad[:, block])
            grad_weights = torch.bmm(grad[:, block], v[:, seen].transpose(1, 2))
            # One pass, in float32 internally: weights * (grad_weights - sum(weights * grad_weights)).
            grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, q.dtype)
            grad_query[:, block] = torch.bmm(grad_scores, k[:, seen])
            grad_key[:, seen].baddbmm_(grad_scores.transpose(1, 2), q[:, block])
        shape = grad_outputs[0].shape
        return (grad_query / math.sqrt(q.shape[-1])).view(shape), grad_key.view(shape), grad_value.view(shape), None


def _blocks(query: Tensor) -> list[slice]:
    tokens = query.shape[1]
    return [slice(start, min(start + _BLOCK, tokens)) for start in range(0, tokens, _BLOCK)]


def _weights(query: Tensor, key: Tensor, mask: Tensor | None, block: slice) -> Tensor:
    """Return the attention weights of a block of queries, shape (batch * heads, block, seen tokens)."""
    scores = torch.bmm(query[:, block], key[:, : block.stop].transpose(1, 2)).float()
    if mask is None:
        tokens = scores.shape[1]
        scores[:, :, block] += _FUTURE[:tokens, :tokens]
    else:
        scores.view(len(mask), -1, *scores.shape[1:]).masked_fill_(~mask[:, :, block, : block.stop], -math.inf)
    return torch.softmax(scores, -1, out=scores).to(query.dtype)
