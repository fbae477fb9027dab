"""Optuna's samplers and pruners by the names used in sweep files."""

from __future__ import annotations

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from ml_playground.sweeping.budget import Budget
from ml_playground.sweeping.config import PrunerKind, SamplerKind
from ml_playground.sweeping.space import Params
from ml_playground.sweeping.sweep import Sweep

_REDUCTION = 4
"""Reduction factor: one in this many trials continues beyond each rung."""
_BEST_QUARTER = 25.0


def build_sampler(sweep: Sweep, seed: int) -> BaseSampler:
    """Build the sampler for one draw."""
    match sweep.config.sampler:
        case SamplerKind.tpe:
            return optuna.samplers.TPESampler(seed=seed)
        case SamplerKind.random:
            return optuna.samplers.RandomSampler(seed=seed)
        case SamplerKind.grid:
            return _Grid(sweep.grid)
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


class _Grid(BaseSampler):
    """Assigns point n to trial number n. Unlike Optuna's ``GridSampler``, it skips invalid combinations."""

    def __init__(self, points: list[Params]) -> None:
        self._points = points

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, object]:
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> object:
        return self._points[trial.number][param_name]
