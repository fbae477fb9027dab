"""What torch hands to the functions whose derivative is written here; it has no type for it."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Context(Protocol):
    """Carries tensors from forward to backward."""

    needs_input_grad: tuple[bool, ...]
    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors for the backward pass."""
        ...

    def set_materialize_grads(self, value: bool) -> None:  # noqa: FBT001  # as torch has it
        """Whether gradients that there are none of arrive as zeros."""
        ...
