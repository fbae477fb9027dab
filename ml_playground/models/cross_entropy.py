"""Cross entropy over a vocabulary, in chunks of rows where all logits at once would be too large."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ml_playground.models.autograd import Context

IGNORED = -1
"""Target of rows that do not count."""

# So few logits may as well be made at once.
_PLAIN_ELEMENTS = {"cpu": 1 << 22, "accelerator": 1 << 26}
# On a CPU products of few rows are slow, and so is adding up the head's gradient; this many logits take 64 or 128 MB.
_CHUNK_ELEMENTS = {"cpu": 1 << 25, "accelerator": 1 << 26}


def cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy in nats of ``hidden @ weight.T``, over the targets that are not ``IGNORED``.

    Args:
        hidden: Shape (rows, width).
        weight: The head's matrix, shape (vocabulary, width).
        targets: Token ids, shape (rows,).
    """
    kind = "cpu" if hidden.device.type == "cpu" else "accelerator"
    if len(hidden) * len(weight) <= _PLAIN_ELEMENTS[kind]:
        return F.cross_entropy(F.linear(hidden, weight).float(), targets, ignore_index=IGNORED)
    # Matrix products are fastest with a power of two of rows.
    chunk = 1 << max(1, _CHUNK_ELEMENTS[kind] // len(weight)).bit_length() - 1
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
        grad_weight: Tensor = weight.new_empty(0)
        matrix = weight.to(dtype)
        with torch.autocast(device, enabled=False):
            for start in range(0, len(hidden), chunk):
                rows = slice(start, start + chunk)
                part, keep = hidden[rows].to(dtype), counted[rows, None]
                # Where the target is; scatter and gather would copy all of a bfloat16 tensor on CPUs.
                at = torch.arange(len(part), device=hidden.device), targets[rows].clamp(min=0)
                logits = part @ matrix.t()
                highest, of_target = logits.amax(1).float(), logits[at].float()
                softmax = torch.softmax(logits, 1, out=logits)
                # The likeliest token's share is never 0, so this is log-sum-exp without another pass of exponentials.
                log_sum = highest - softmax.amax(1).float().log()
                total += ((log_sum - of_target) * counted[rows]).sum()
                if needed:
                    # d loss / d logits = softmax - one-hot, where the row counts.
                    softmax[at] -= 1
                    grad_hidden[rows] = (softmax @ matrix) * keep
                    product = softmax.t() @ (part * keep)
                    grad_weight = grad_weight.add_(product) if start else product.to(weight.dtype)
        ctx.save_for_backward(grad_hidden, grad_weight, count)
        return total / count

    @staticmethod
    def backward(ctx: Context, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_hidden, grad_weight, count = ctx.saved_tensors
        scale = grad_outputs[0] / count
        return grad_hidden * scale, grad_weight * scale, None, None
