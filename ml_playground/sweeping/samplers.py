"""Optuna's samplers and pruners by the names used in sweep files."""

from __future__ import annotations

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from ml_playground.sweeping.budget import Budget
from ml_playground.sweeping.config import PrunerKind, SamplerKind
from ml_playground.sweeping.sweep import Sweep

_REDUCTION = 3
"""Reduction factor: one in this many trials continues beyond each rung. See ``benchmarks/choosing.py``."""
_BEST_QUARTER = 25.0


def build_sampler(sweep: Sweep, seed: int) -> BaseSampler:
    """Build the sampler for one draw."""
    match sweep.config.sampler:
        case SamplerKind.tpe:
            return optuna.samplers.TPESampler(seed=seed)
        case SamplerKind.random:
            return optuna.samplers.RandomSampler(seed=seed)
        case SamplerKind.grid:
            raise ValueError("a grid is listed, not sampled")
        case SamplerKind.cmaes:
            return optuna.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
        case SamplerKind.gp:
            return optuna.samplers.GPSampler(seed=seed)
        case SamplerKind.nsga2:
            return optuna.samplers.NSGAIISampler(seed=seed)


def build_pruner(kind: PrunerKind, budget: Budget) -> BasePruner:
    """Build the pruner, whose resource is training tokens."""
    match kind:
        case PrunerKind.hyperband:
            # The last bracket would prune nothing and use most of the budget. It is excluded by setting the maximum
            # resource below the full training.
            most = max(budget.eval_tokens, budget.place(budget.tokens) // _REDUCTION)
            return optuna.pruners.HyperbandPruner(budget.eval_tokens, most, _REDUCTION)
        case PrunerKind.successive_halving:
            return optuna.pruners.SuccessiveHalvingPruner(budget.eval_tokens, _REDUCTION)
        case PrunerKind.median:
            return optuna.pruners.MedianPruner()
        case PrunerKind.percentile:
            return optuna.pruners.PercentilePruner(_BEST_QUARTER)
        case PrunerKind.none:
            return optuna.pruners.NopPruner()
