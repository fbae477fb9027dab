"""Muon for hidden weight matrices, AdamW for embeddings, output head and norms."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ml_playground.models.base import LanguageModel
from ml_playground.training.config import OptimConfig
from ml_playground.training.optimizers.adamw import AdamW, OptimizerState, ParameterGroup

_STEPS = 5
# Jordan's quintic: its slope at 0 is maximal for five steps, at the cost of converging to 0.7 .. 1.2 instead of 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon:
    """Muon: momentum updates that are orthogonalized before they are applied (Jordan et al., 2024).

    Matrices of the same shape are orthogonalized in one batched Newton-Schulz iteration: one at a time, as in
    ``torch.optim.Muon``, costs as much as the model itself when matrices are small.
    """

    def __init__(self, model: LanguageModel, config: OptimConfig, dtype: torch.dtype) -> None:
        """Create the optimizer for the trainable parameters of a model.

        Args:
            dtype: Data type of the Newton-Schulz iteration, for which bfloat16 is precise enough.
        """
        matrices = inner_matrices(model)
        self._adamw = AdamW({name: p for name, p in model.trained_parameters().items() if name not in matrices}, config)
        self._config = config
        self._dtype = dtype
        self._stacks = [_Stack(names, [matrices[name] for name in names]) for names in _by_shape(matrices)]
        self.param_groups: list[ParameterGroup] = [
            *self._adamw.param_groups,
            *(ParameterGroup(params=stack.parameters, weight_decay=config.weight_decay) for stack in self._stacks),
        ]

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next AdamW step; the rate for Muon's matrices scales proportionally."""
        return self._adamw.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._adamw.learning_rate = rate

    @torch.no_grad()
    def step(self, skip: Tensor | None = None) -> None:
        """Update all parameters, unless ``skip``, a scalar tensor on the device, is 1."""
        self._adamw.step(skip)
        if skip is not None and skip.device.type == "cpu":  # no synchronization needed
            if skip:
                return
            skip = None
        config = self._config
        rate = config.muon_learning_rate * self.learning_rate / config.learning_rate
        for stack in self._stacks:
            stack.step(rate, config.muon_momentum, config.weight_decay, self._dtype, skip)

    def zero_grad(self) -> None:
        """Reset the gradients to None."""
        self._adamw.zero_grad()
        for stack in self._stacks:
            for parameter in stack.parameters:
                parameter.grad = None

    def state_dict(self) -> OptimizerState:
        """Return the optimizer state. Tensors are shared with the optimizer."""
        momentum = {name: tensor for stack in self._stacks for name, tensor in stack.momentum.items()}
        return {**self._adamw.state_dict(), "momentum": momentum}

    def load_state_dict(self, state: OptimizerState) -> None:
        """Load a saved state of the same parameters."""
        self._adamw.load_state_dict(state)
        for stack in self._stacks:
            for name, tensor in stack.momentum.items():
                tensor.copy_(state["momentum"][name])


class _Stack:
    """Matrices of one shape."""

    def __init__(self, names: Iterable[str], parameters: list[nn.Parameter]) -> None:
        self.parameters = parameters
        self._momentum = torch.stack([torch.zeros_like(p) for p in parameters])
        self.momentum = dict(zip(names, self._momentum, strict=True))
        """Views of one tensor, by parameter name."""
        rows, columns = parameters[0].shape
        self._scale = math.sqrt(max(1.0, rows / columns))
        """Makes the effect of updates on outputs equal for tall and wide matrices."""

    def step(self, rate: float, momentum: float, decay: float, dtype: torch.dtype, skip: Tensor | None) -> None:
        gradients = torch.stack([torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters])
        moved = self._momentum.lerp(gradients, 1 - momentum)
        update = orthogonal(gradients.lerp_(moved, momentum).to(dtype)).to(moved.dtype)
        if skip is not None:
            kept = skip.bool()
            moved = torch.where(kept, self._momentum, moved)
            update = torch.where(kept, 0.0, update)
            rate_of_decay = (1 - skip) * rate * decay
        else:
            rate_of_decay = torch.tensor(rate * decay)
        self._momentum.copy_(moved)
        for parameter, change in zip(self.parameters, update, strict=True):
            parameter.mul_(1 - rate_of_decay).add_(change, alpha=-rate * self._scale)


def orthogonal(matrices: Tensor) -> Tensor:
    """Orthogonalize a batch of matrices (count, rows, columns) approximately: singular values in 0.7 .. 1.2."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.square().sum((1, 2), keepdim=True).sqrt() + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.transpose(1, 2) if tall else x


def inner_matrices(model: LanguageModel) -> dict[str, nn.Parameter]:
    """Return the trainable matrices by name, except embeddings and head, whose rows are tokens, not directions."""
    tables = {module.weight for module in model.modules() if isinstance(module, nn.Embedding)}
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.dim() == 2
        and parameter.requires_grad
        and parameter not in tables
        and parameter is not model.head_weight
    }


def _by_shape(matrices: dict[str, nn.Parameter]) -> list[list[str]]:
    names: dict[torch.Size, list[str]] = defaultdict(list)
    for name, parameter in matrices.items():
        names[parameter.shape].append(name)
    return list(names.values())
