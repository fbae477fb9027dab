"""Training state: everything needed to resume a run as if it had never been interrupted."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypedDict

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.optim.swa_utils import get_ema_multi_avg_fn

from ml_playground.models.base import LanguageModel
from ml_playground.training.config import Metric, TrainRuntimeConfig
from ml_playground.training.optimizers.adamw import OptimizerState
from ml_playground.training.optimizers.build import Optimizer
from ml_playground.training.rng import RngState, get_rng_state, set_rng_state


@dataclass
class Progress:
    """Counters and metrics of a run."""

    step: int = 0
    """Optimizer updates done."""
    tokens: int = 0
    """Tokens trained on."""
    seconds: float = 0.0
    """Time spent in training steps, over all sessions of the run."""
    evaluated: int = -1
    """Step of the last evaluation; -1 before the first."""
    val_loss: float | None = None
    """Last validation loss, in nats per token."""
    train_loss: float | None = None
    """Mean over the steps between the last two evaluations; None before the first step."""
    smoothed: float | None = None
    """Exponential moving average of ``ckpt_metric``."""
    best: float | None = None
    """Best smoothed metric."""
    best_step: int = -1
    patience: int = 0
    """Evaluations since the best one."""
    top: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    """(smoothed metric, step) of the top k checkpoints, best first."""
    best_val_loss: float | None = None
    """Lowest validation loss, in nats per token."""
    skipped: int = 0
    """Updates skipped before the last evaluation because a loss or gradient was non-finite."""

    def record(self, val_loss: float, train_loss: float | None, runtime: TrainRuntimeConfig) -> None:
        """Record the evaluation of this step. Non-finite values are never best.

        Args:
            val_loss: Validation loss in nats per token.
            train_loss: Mean training loss since the previous evaluation; None if there was no update since then.
            runtime: Settings that define which checkpoint is best.
        """
        self.evaluated, self.val_loss, self.train_loss = self.step, val_loss, train_loss
        if math.isfinite(val_loss):
            self.best_val_loss = val_loss if self.best_val_loss is None else min(val_loss, self.best_val_loss)
        metric = val_loss if runtime.ckpt_metric is Metric.val_loss else train_loss
        if metric is None and self.step == 0:
            return
        # A finite training loss from before the weights became non-finite does not make this a good checkpoint.
        if metric is None or not math.isfinite(metric) or not math.isfinite(val_loss):
            self.patience += 1
            return
        alpha = runtime.best_smoothing_alpha
        self.smoothed = metric if self.smoothed is None else alpha * self.smoothed + (1 - alpha) * metric
        sign = -1 if runtime.ckpt_greater_is_better else 1
        if self.best is None or sign * self.smoothed < sign * self.best:
            self.best, self.best_step, self.patience = self.smoothed, self.step, 0
        else:
            self.patience += 1
        top = [*self.top, (self.smoothed, self.step)]
        self.top = sorted(top, key=lambda entry: (sign * entry[0], entry[1]))[: runtime.ckpt_top_k]

    def restart_best(self) -> None:
        """Reset the best metric, because it was measured by a different criterion."""
        self.smoothed, self.best, self.best_step, self.patience, self.top = None, None, -1, 0, []
        self.best_val_loss = None


class StateDict(TypedDict):
    """State of a :class:`TrainState` as plain data and tensors."""

    model: dict[str, Tensor]
    optimizer: OptimizerState
    scaler: dict[str, object]
    ema: dict[str, Tensor]
    rng: RngState
    loss_sum: Tensor
    skipped: Tensor
    progress: dict[str, object]


class TrainState:
    """Model, optimizer, loss scaler, EMA weights, random number generators and progress."""

    def __init__(
        self, model: LanguageModel, optimizer: Optimizer, scaler: GradScaler, ema_decay: float, device: torch.device
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.scaler = scaler
        self.progress = Progress()
        self.loss_sum = torch.zeros((), device=device)
        """Sum of the training losses since the last evaluation; on the device, to avoid synchronization."""
        self.skipped = torch.zeros((), dtype=torch.int64, device=device)
        """Updates skipped because a loss or gradient was non-finite."""
        self._device = device
        self._ema_decay = ema_decay
        # EMA weights by parameter name; empty if ema_decay is 0.
        self._ema = (
            {name: p.detach().clone() for name, p in self.model.trained_parameters().items()} if ema_decay else {}
        )

    def take_in(self, loss: Tensor, finite: Tensor) -> None:
        """Accumulate the loss of a step, or count the step as skipped if it is not ``finite``."""
        self.loss_sum += torch.where(finite, loss, 0.0)
        self.skipped += ~finite

    def record(self, val_loss: float, runtime: TrainRuntimeConfig) -> None:
        """Record the evaluation of this step."""
        progress, skipped = self.progress, int(self.skipped)
        steps = progress.step - max(0, progress.evaluated) - (skipped - progress.skipped)
        progress.record(val_loss, self.loss_sum.item() / steps if steps else None, runtime)
        progress.skipped = skipped
        self.loss_sum.zero_()

    def update_ema(self) -> None:
        """Update the EMA weights towards the current weights; called once per update."""
        if self._ema:
            current = [parameter.detach() for parameter in self.model.trained_parameters().values()]
            get_ema_multi_avg_fn(self._ema_decay)(list(self._ema.values()), current, 0)

    @contextlib.contextmanager
    def ema_weights(self) -> Generator[None]:
        """Context in which the model uses the EMA weights, if enabled."""
        parameters = self.model.trained_parameters() if self._ema else {}
        current = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(self._ema[name])
            try:
                yield
            finally:
                for name, parameter in parameters.items():
                    parameter.copy_(current[name])

    def state_dict(self) -> StateDict:
        """Return the full state. Tensors are shared with the live objects: save before the next step."""
        return {
            "model": self.model.trainable_state(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "ema": self._ema,
            "rng": get_rng_state(self._device),
            "loss_sum": self.loss_sum,
            "skipped": self.skipped,
            "progress": dataclasses.asdict(self.progress),
        }

    def load_state_dict(self, state: StateDict) -> None:
        """Restore a saved state."""
        self.model.load_trainable_state(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # otherwise it was saved with another dtype, and the scale starts from its initial value
            self.scaler.load_state_dict(state["scaler"])
        # An EMA that is enabled on resume starts from the current weights.
        saved = state["ema"] or {name: p.detach() for name, p in self.model.trained_parameters().items()}
        for name, average in self._ema.items():
            average.copy_(saved[name])
        self.loss_sum.copy_(state["loss_sum"])
        self.skipped.copy_(state["skipped"])
        set_rng_state(state["rng"], self._device)
        self.progress = Progress(**state["progress"])  # type: ignore[arg-type]  # written by asdict()
