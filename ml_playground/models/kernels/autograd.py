"""Type of the context of custom autograd functions, for which torch has no type."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Context(Protocol):
    """Context that passes tensors from forward to backward."""

    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Save tensors for the backward pass."""
        ...

    def set_materialize_grads(self, value: bool) -> None:  # noqa: FBT001  # torch's signature
        """Set whether undefined gradients are passed as zeros."""
        ...
