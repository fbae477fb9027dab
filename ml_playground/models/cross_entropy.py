"""Cross entropy over a vocabulary, in chunks of rows where all logits at once would be too large."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ml_playground.models.autograd import Context

IGNORED = -1
"""Target of rows that do not count."""

# Logits in float32 that stay in a CPU's caches, and that are few kernels' worth of work on an accelerator.
_CPU_CHUNK_ELEMENTS = 1 << 22
_ACCELERATOR_CHUNK_ELEMENTS = 1 << 26


def cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy in nats of ``hidden @ weight.T``, over the targets that are not ``IGNORED``.

    Args:
        hidden: Shape (rows, width).
        weight: The head's matrix, shape (vocabulary, width).
        targets: Token ids, shape (rows,).
    """
    limit = _CPU_CHUNK_ELEMENTS if hidden.device.type == "cpu" else _ACCELERATOR_CHUNK_ELEMENTS
    if len(hidden) * len(weight) <= limit:
        return F.cross_entropy(F.linear(hidden, weight).float(), targets, ignore_index=IGNORED)
    # Matrix products are fastest with a power of two of rows.
    chunk = 1 << max(1, limit // len(weight)).bit_length() - 1
    return cast("Tensor", _ChunkedCrossEntropy.apply(hidden, weight, targets, chunk))


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Gradients are computed with the loss, chunk by chunk, so that no logits need to be kept or made again.

    The idea is Liger Kernel's fused linear cross entropy (Hsu et al., 2024).
    """

    @staticmethod
    def forward(ctx: Context, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        device = hidden.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        needed = ctx.needs_input_grad[0] or ctx.needs_input_grad[1]
        counted = targets != IGNORED
        count = counted.sum()
        total = torch.zeros((), device=hidden.device)
        grad_hidden = torch.empty_like(hidden) if needed else hidden
        grad_weight = torch.zeros_like(weight) if needed else weight
        matrix = weight.to(dtype)
        with torch.autocast(device, enabled=False):
            for start in range(0, len(hidden), chunk):
                rows = slice(start, start + chunk)
                part, keep = hidden[rows].to(dtype), counted[rows, None]
                ids = targets[rows, None].clamp(min=0)
                logits = (part @ matrix.t()).float()
                highest, of_target = logits.amax(1, keepdim=True), logits.gather(1, ids)
                softmax = torch.softmax(logits, 1, out=logits)
                # The likeliest token's share is never 0, so this is log-sum-exp without another pass of exponentials.
                log_sum = highest - softmax.amax(1, keepdim=True).log()
                total += ((log_sum - of_target) * keep).sum()
                if needed:
                    # d loss / d logits = softmax - one-hot, where the row counts.
                    gradient = softmax.scatter_add_(1, ids, ids.new_full(ids.shape, -1).to(softmax.dtype)).to(dtype)
                    grad_hidden[rows] = (gradient @ matrix) * keep
                    if dtype is weight.dtype:
                        grad_weight.addmm_(gradient.t(), part * keep)
                    else:
                        grad_weight += gradient.t() @ (part * keep)
        ctx.save_for_backward(grad_hidden, grad_weight, count)
        return total / count

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden, grad_weight, count = ctx.saved_tensors
        scale = grad_outputs[0] / count
        return grad_hidden * scale, grad_weight * scale, None, None
