"""Cross entropy over a vocabulary, in chunks of rows if the full logits would be too large."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from ml_playground.models.kernels.autograd import Context

IGNORED = -1
"""Target id of rows that are ignored."""

# Up to this many logits, chunking does not pay off.
_PLAIN_ELEMENTS = {"cpu": 1 << 22, "accelerator": 1 << 26}
# On a CPU, products of few rows and accumulation of the head's gradient are slow; this many logits take 64 or 128 MB.
_CHUNK_ELEMENTS = {"cpu": 1 << 25, "accelerator": 1 << 26}


def cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return the mean cross entropy in nats of ``hidden @ weight.T`` over targets other than ``IGNORED``.

    Args:
        hidden: Hidden states, shape (rows, width).
        weight: Weight of the output head, shape (vocabulary, width).
        targets: Token ids, shape (rows,).
    """
    device = hidden.device.type
    kind = "cpu" if device == "cpu" else "accelerator"
    if len(hidden) * len(weight) <= _PLAIN_ELEMENTS[kind]:
        return F.cross_entropy(F.linear(hidden, weight).float(), targets, ignore_index=IGNORED)
    # Matrix multiplications are fastest if the number of rows is a power of two.
    chunk = 1 << max(1, _CHUNK_ELEMENTS[kind] // len(weight)).bit_length() - 1
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
    gradient = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    if torch.compiler.is_compiling():
        return cast("Losses", _operator(hidden, weight, targets, chunk, dtype, gradient))[0]
    return cast("Tensor", _ChunkedLoss.apply(hidden, weight, targets, chunk, dtype, gradient))


Losses = tuple[Tensor, Tensor, Tensor]
"""Mean loss, and the gradients of the total loss with respect to the hidden states and the head's weight."""


def _chunked(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    chunk: int,
    dtype: torch.dtype,
    gradient: bool,  # noqa: FBT001  # keyword-only arguments would change the signature of the backward function
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the loss and its gradients chunk by chunk, so that logits are neither stored nor recomputed.

    Based on Liger Kernel's fused linear cross entropy (Hsu et al., 2024).
    """
    device = hidden.device.type
    smallest = torch.finfo(dtype).tiny
    counted = targets != IGNORED
    total = torch.zeros((), device=hidden.device)
    grad_hidden = torch.empty_like(hidden if gradient else total)
    grad_weight = torch.empty_like(weight if gradient else total)
    matrix = weight.to(dtype)
    with torch.autocast(device, enabled=False):
        for start in range(0, len(hidden), chunk):
            rows = slice(start, start + chunk)
            part, keep = hidden[rows].to(dtype), counted[rows, None]
            # Index instead of scatter and gather, which copy the whole tensor in bfloat16 on CPUs.
            row, target = torch.arange(len(part), device=hidden.device), targets[rows].clamp(min=0)
            logits = part @ matrix.t()
            softmax = torch.softmax(logits, 1, out=logits)
            # The loss is -log of the target's probability. If that underflows, go through the most likely token; the
            # argmax takes another pass over the vocabulary, but testing for underflow would synchronize an accelerator.
            pivot = target
            if device != "cpu" or softmax[row, target].min() < smallest:
                pivot = softmax.argmax(1)
            lead = (part.float() * (matrix[pivot].float() - matrix[target].float())).sum(1)
            total += ((lead - softmax[row, pivot].float().log()) * counted[rows]).sum()
            if gradient:
                # d loss / d logits = softmax - one-hot, for rows that are not ignored.
                softmax[row, target] -= 1
                grad_hidden[rows] = (softmax @ matrix) * keep
                product = softmax.t() @ (part * keep)
                grad_weight = grad_weight.add_(product) if start else grad_weight.copy_(product)
    return total / counted.sum(), grad_hidden, grad_weight


# A custom operator, which is opaque to the compiler, whose generated passes over the logits are slower. Calling it in
# eager mode would import the compiler, which takes seconds.
_operator = torch.library.custom_op("ml_playground::chunked_cross_entropy", _chunked, mutates_args=())


@_operator.register_fake
def _(hidden: Tensor, weight: Tensor, *settings: object) -> tuple[Tensor, Tensor, Tensor]:
    loss, gradient = hidden.new_empty((), dtype=torch.float32), settings[-1]
    return loss, torch.empty_like(hidden if gradient else loss), torch.empty_like(weight if gradient else loss)


def _setup_context(ctx: Context, inputs: tuple[Tensor, ...], output: Losses) -> None:
    ctx.set_materialize_grads(False)  # no gradients of the returned gradients
    ctx.save_for_backward(*output[1:], (inputs[2] != IGNORED).sum())


def _backward(ctx: Context, grad_loss: Tensor, *_: None) -> tuple[Tensor | None, ...]:
    grad_hidden, grad_weight, count = ctx.saved_tensors
    scale = grad_loss / count
    return grad_hidden * scale, grad_weight * scale, None, None, None, None


_operator.register_autograd(_backward, setup_context=_setup_context)


class _ChunkedLoss(torch.autograd.Function):
    """Chunked loss for eager mode."""

    @staticmethod
    def forward(ctx: Context, hidden: Tensor, weight: Tensor, targets: Tensor, *settings: Any) -> Tensor:
        losses = _chunked(hidden, weight, targets, *settings)
        _setup_context(ctx, (hidden, weight, targets), losses)
        return losses[0]

    @staticmethod
    def backward(ctx: Context, *grad_losses: Tensor) -> tuple[Tensor | None, ...]:
        return _backward(ctx, grad_losses[0])
