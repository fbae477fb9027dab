"""The schema of a sweep file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ml_playground.ranges import bounded


class SamplerKind(Enum):
    """What proposes the next trial's values."""

    tpe = "tpe"
    """Tree-structured Parzen estimator: values like those of the better trials."""
    random = "random"
    grid = "grid"
    """Every valid combination once, in the order of the file."""
    cmaes = "cmaes"
    """Covariance matrix adaptation; for two or more ranges."""
    gp = "gp"
    """A Gaussian process; for few and long trials."""
    nsga2 = "nsga2"
    """A genetic algorithm; for two objectives."""


class PrunerKind(Enum):
    """What ends a trial that does badly."""

    hyperband = "hyperband"
    """Successive halving, with several answers to the question how early one can tell."""
    successive_halving = "successive_halving"
    """Goes on with the best third at 1, 3, 9, ... times ``eval_tokens``."""
    median = "median"
    """Ends what is worse than the median of earlier trials at the same place."""
    percentile = "percentile"
    """Ends what is not in the best quarter of earlier trials at the same place."""
    none = "none"


class Direction(Enum):
    """Whether less or more is better."""

    minimize = "minimize"
    maximize = "maximize"


class LrScaling(Enum):
    """How the learning rate follows the tokens per update."""

    none = "none"
    sqrt = "sqrt"
    linear = "linear"


@dataclass
class SweepConfig:
    """One search."""

    description: str = ""
    """One line for listings."""
    space: dict[str, Any] = field(default_factory=dict[str, Any])
    """What is searched, by the experiment's own keys: a list of choices, or ``{low, high, step, log}``."""
    n_trials: int | None = bounded(None, ge=1, le=100_000)
    """Trials in all, however often the sweep is started. Unset, with a grid: every valid combination."""
    sampler: SamplerKind = SamplerKind.tpe
    pruner: PrunerKind | None = None
    """Unset: ``hyperband``, or ``none`` with two objectives."""
    seed: int = bounded(1337, ge=0, lt=2**31)
    """Of the sampler; trials take theirs from the experiment."""
    objective: dict[str, Direction] = field(default_factory=dict[str, Direction])
    """One metric or two, each ``minimize`` or ``maximize``. Unset: ``val_loss``, the lowest of the run. A curve of
    ``metrics.jsonl`` counts by the median of its last ten values."""
    tokens: int | None = bounded(None, ge=1, le=10**18)
    """Training tokens of each trial. Unset: as many as the experiment trains on."""
    eval_tokens: int | None = bounded(None, ge=1, le=10**18)
    """Training tokens between evaluations. Unset: as many as in the experiment."""
    eval_block_size: int | None = bounded(None, ge=1, le=2**31)
    """Tokens of context in every trial's evaluation. Unset: the shortest ``train.data.block_size`` there is."""
    lr_scaling: LrScaling = LrScaling.none
    """Factor of the learning rate: ``linear`` is tokens per update over those of the experiment, ``sqrt`` its root."""
    workers: int = bounded(1, ge=1, le=256)
    """Trials at a time; they share the cores, and are no more than these."""
    engine: str = "local"
    """Who starts the workers: ``local``, as processes on this machine."""
    storage: str | None = None
    """URL of the study's database. Unset: ``study.db`` in the sweep's folder."""
    max_failures: int = bounded(3, ge=1, le=100_000)
    """Failed trials in a row that stop the sweep."""

    def __post_init__(self) -> None:
        # An empty table is as good as none.
        self.objective = self.objective or {"val_loss": Direction.minimize}
