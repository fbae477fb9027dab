"""AdamW with weight decay applied to matrices only."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from ml_playground.training.config import OptimConfig


class OptimizerState(TypedDict):
    """Optimizer state by parameter name."""

    steps: dict[str, Tensor]
    exp_avg: dict[str, Tensor]
    exp_avg_sq: dict[str, Tensor]
    momentum: dict[str, Tensor]
    """Momentum of the matrices that Muon updates."""


class ParameterGroup(TypedDict):
    """Parameters that share a weight decay; ``params`` is the key that torch's ``GradScaler`` reads."""

    params: list[nn.Parameter]
    weight_decay: float


class AdamW:
    """Fused AdamW (Loshchilov & Hutter, 2019); norms and biases are not decayed, as in GPT-2's training.

    It uses torch's functional ``adamw``. The ``torch.optim.AdamW`` wrapper imports ``torch._dynamo``, which takes
    longer than everything else before the first step, and keys its state by position, not by name.
    """

    def __init__(self, parameters: dict[str, nn.Parameter], config: OptimConfig) -> None:
        self.learning_rate = config.learning_rate
        """Learning rate of the next step."""
        self.param_groups: list[ParameterGroup] = [
            {"params": [p for p in parameters.values() if p.dim() >= 2], "weight_decay": config.weight_decay},
            {"params": [p for p in parameters.values() if p.dim() < 2], "weight_decay": 0.0},
        ]
        self._betas = (config.beta1, config.beta2)
        self._names = {p: name for name, p in parameters.items()}
        self._state: OptimizerState = {
            "steps": {name: torch.zeros((), device=p.device) for name, p in parameters.items()},
            "exp_avg": {name: torch.zeros_like(p) for name, p in parameters.items()},
            "exp_avg_sq": {name: torch.zeros_like(p) for name, p in parameters.items()},
            "momentum": {},
        }

    @torch.no_grad()
    def step(self, skip: Tensor | None = None) -> None:
        """Update all parameters that have a gradient, unless ``skip``, a scalar tensor on the device, is 1."""
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            names = [self._names[p] for p in parameters]
            adamw(
                [*parameters],
                [p.grad for p in parameters if p.grad is not None],
                [self._state["exp_avg"][name] for name in names],
                [self._state["exp_avg_sq"][name] for name in names],
                [],
                [self._state["steps"][name] for name in names],
                fused=True,
                found_inf=skip,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=self.learning_rate,
                weight_decay=group["weight_decay"],
                eps=1e-8,
                maximize=False,
            )

    def zero_grad(self) -> None:
        """Reset the gradients to None."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def state_dict(self) -> OptimizerState:
        """Return the first and second moments and step counts. Tensors are shared with the optimizer."""
        return self._state

    def load_state_dict(self, state: OptimizerState) -> None:
        """Load a saved state of the same parameters."""
        for own, saved in (
            (self._state["steps"], state["steps"]),
            (self._state["exp_avg"], state["exp_avg"]),
            (self._state["exp_avg_sq"], state["exp_avg_sq"]),
        ):
            for name, tensor in own.items():
                tensor.copy_(saved[name])
