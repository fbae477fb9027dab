"""Muon for the matrices inside the model, AdamW for embeddings, head and norms."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ml_playground.models.base import LanguageModel
from ml_playground.training.adamw import AdamW, OptimizerState, ParameterGroup
from ml_playground.training.config import OptimConfig

_STEPS = 5
# Jordan's quintic: its slope at 0 is as steep as five steps allow, at the price of ending in 0.7 .. 1.2, not at 1.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class Muon:
    """Momentum whose matrices are orthogonalised before they are applied (Jordan et al., 2024).

    Matrices of one shape are orthogonalised together, in one batched Newton-Schulz iteration: one by one, as in
    ``torch.optim.Muon``, costs as much as the model itself where matrices are small.
    """

    def __init__(self, model: LanguageModel, config: OptimConfig, dtype: torch.dtype) -> None:
        """Args:
        dtype: Of the Newton-Schulz iteration, which bfloat16 is precise enough for.
        """
        matrices = inner_matrices(model)
        self._adamw = AdamW(
            {name: p for name, p in model.named_parameters() if p.requires_grad and name not in matrices}, config
        )
        self._config = config
        self._dtype = dtype
        self._stacks = [_Stack(names, [matrices[name] for name in names]) for names in _by_shape(matrices)]
        self.param_groups: list[ParameterGroup] = [
            *self._adamw.param_groups,
            *(ParameterGroup(params=stack.parameters, weight_decay=config.weight_decay) for stack in self._stacks),
        ]

    @property
    def learning_rate(self) -> float:
        """Of the next step, for AdamW's part; that of the matrices follows in proportion."""
        return self._adamw.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._adamw.learning_rate = rate

    @torch.no_grad()
    def step(self, skip: Tensor | None = None) -> None:
        """Update every parameter, unless ``skip``, a number on the device, is 1."""
        self._adamw.step(skip)
        if skip is not None and skip.device.type == "cpu":  # there is nothing to wait for
            if skip:
                return
            skip = None
        config = self._config
        rate = config.muon_learning_rate * self.learning_rate / config.learning_rate
        for stack in self._stacks:
            stack.step(rate, config.muon_momentum, config.weight_decay, self._dtype, skip)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._adamw.zero_grad()
        for stack in self._stacks:
            for parameter in stack.parameters:
                parameter.grad = None

    def state_dict(self) -> OptimizerState:
        """The moments. Tensors are shared with the live ones."""
        momentum = {name: tensor for stack in self._stacks for name, tensor in stack.momentum.items()}
        return {**self._adamw.state_dict(), "momentum": momentum}

    def load_state_dict(self, state: OptimizerState) -> None:
        """Load saved moments of the same parameters."""
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
        """Views of one tensor, by name."""
        rows, columns = parameters[0].shape
        self._scale = math.sqrt(max(1.0, rows / columns))
        """So that updates change the outputs of tall and wide matrices alike."""

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
    """The nearest (semi-)orthogonal matrices, roughly: shape (count, rows, columns), singular values in 0.7 .. 1.2."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.square().sum((1, 2), keepdim=True).sqrt() + 1e-7)
    for _ in range(_STEPS):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x.transpose(1, 2) if tall else x


def inner_matrices(model: LanguageModel) -> dict[str, nn.Parameter]:
    """The trained matrices of a model by name, without embeddings and head, whose rows are tokens and no directions."""
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
