"""``torch.compile`` for the loss, tested before training relies on it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import torch

from ml_playground.errors import UserError
from ml_playground.models.base import LanguageModel
from ml_playground.training.device import Hardware, has_compiler
from ml_playground.training.evaluation import LossFunction
from ml_playground.training.rng import get_rng_state, set_rng_state

# Exceptions raised by compilation failures; a failing C++ compiler surfaces as a subprocess error.
_FAILURES = (RuntimeError, OSError, subprocess.SubprocessError, ImportError)


class CompileError(UserError):
    """``torch.compile`` does not work on this machine."""


def compile_loss(
    model: LanguageModel,
    hardware: Hardware,
    train_shape: Sequence[int],
    eval_shape: Sequence[int],
    *,
    positions: bool = False,
) -> LossFunction:
    """Return the compiled loss of a model, after one warm-up pass for each shape.

    The states of random number generators are preserved, and gradients are cleared.

    Args:
        train_shape: (windows, tokens) of a forward pass with gradients.
        eval_shape: (windows, tokens) of an evaluation.
        positions: Whether batches have positions.

    Raises:
        CompileError: If compilation fails; the message is the reason.
        MemoryError, RuntimeError: If there is not enough memory for a pass.
    """
    loss: LossFunction = torch.compile(model.loss)
    rng = get_rng_state(hardware.device)
    try:
        arguments = 3 if positions else 2
        _loss_of_zeros(loss, hardware, train_shape, arguments).backward()
        model.eval()
        with torch.no_grad():
            _loss_of_zeros(loss, hardware, eval_shape, arguments)
    except torch.OutOfMemoryError:
        raise
    except _FAILURES as error:
        if isinstance(error, RuntimeError) and "memory" in str(error) and has_compiler():
            raise
        raise CompileError(_reason(error)) from error
    finally:
        model.train()
        model.zero_grad()
        set_rng_state(rng, hardware.device)
    return loss


def _loss_of_zeros(loss: LossFunction, hardware: Hardware, shape: Sequence[int], arguments: int) -> torch.Tensor:
    ids = torch.zeros(*shape, dtype=torch.int64, device=hardware.device)
    with hardware.autocast():
        return loss(*[ids] * arguments)


def _reason(error: BaseException) -> str:
    if not has_compiler():
        return "there is no C++ compiler, or no Python.h; install them (on Debian: g++ and python3-dev)"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
