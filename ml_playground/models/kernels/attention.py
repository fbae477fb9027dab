"""Causal attention, shared by all model families."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ml_playground.models.kernels.autograd import Context

_LONGEST_EXPLICIT = 512
"""Maximum length at which CPUs materialize all attention weights; beyond it, the memory outweighs the time saved."""


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
        if _explicit_is_faster(value) and 1 < new == seen and not dropout and not heads_share:
            return cast("Tensor", _ExplicitAttention.apply(query.to(value.dtype), key.to(value.dtype), value, mask))
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


def _explicit_is_faster(value: Tensor) -> bool:
    return value.device.type == "cpu" and value.dtype is torch.bfloat16 and value.shape[2] <= _LONGEST_EXPLICIT


class _ExplicitAttention(torch.autograd.Function):
    """Attention with bfloat16 matrix multiplications and a float32 softmax, for short contexts on CPUs.

    Forward and backward take 60 % of the time of torch's flash attention, which needs float32 inputs there.
    """

    @staticmethod
    def forward(ctx: Context, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        # One matrix per head and sequence: shape (batch * heads, tokens, head width).
        q, k, v = (x.flatten(0, 1) for x in (query / math.sqrt(query.shape[-1]), key, value))
        scores = torch.bmm(q, k.transpose(1, 2)).float()
        if mask is None:
            scores.add_(_future(q.shape[1]))
        else:
            scores.view(*query.shape[:3], -1).masked_fill_(~mask, -math.inf)
        weights = torch.softmax(scores, -1, out=scores).to(q.dtype)
        ctx.save_for_backward(q, k, v, weights)
        return torch.bmm(weights, v).view(query.shape)

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, weights = ctx.saved_tensors
        grad = grad_outputs[0].flatten(0, 1).to(q.dtype)
        grad_weights = torch.bmm(grad, v.transpose(1, 2))
        # Softmax backward in one pass, in float32 internally: weights * (grad_weights - sum(weights * grad_weights)).
        grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, q.dtype)
        grad_query = torch.bmm(grad_scores, k) / math.sqrt(q.shape[-1])
        grad_key = torch.bmm(grad_scores.transpose(1, 2), q)
        grad_value = torch.bmm(weights.transpose(1, 2), grad)
        shape = grad_outputs[0].shape
        return grad_query.view(shape), grad_key.view(shape), grad_value.view(shape), None


def _future(tokens: int) -> Tensor:
    """Return the additive causal mask, -inf at future positions, shape (tokens, tokens)."""
    return torch.full((tokens, tokens), -math.inf).triu(1)
