"""Construction of the configured optimizer."""

from __future__ import annotations

import torch

from ml_playground.models.base import LanguageModel
from ml_playground.training.config import OptimConfig, OptimizerKind
from ml_playground.training.optimizers.adamw import AdamW
from ml_playground.training.optimizers.muon import Muon

Optimizer = AdamW | Muon


def build_optimizer(model: LanguageModel, config: OptimConfig, dtype: torch.dtype) -> Optimizer:
    """Build the optimizer of the trainable parameters; ``dtype`` is the data type of matrix multiplications."""
    if config.optimizer is OptimizerKind.muon:
        return Muon(model, config, dtype)
    return AdamW(model.trained_parameters(), config)
