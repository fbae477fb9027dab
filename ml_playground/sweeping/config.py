"""Schema of sweep files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ml_playground.ranges import bounded


class SamplerKind(Enum):
    """Algorithm that suggests the values of the next trial."""

    tpe = "tpe"
    """Tree-structured Parzen estimator: suggests values similar to those of the better trials."""
    random = "random"
    grid = "grid"
    """Each valid combination once, in the order of the file."""
    cmaes = "cmaes"
    """Covariance matrix adaptation evolution strategy, for two or more ranges."""
    gp = "gp"
    """Gaussian process, for few, long trials."""
    nsga2 = "nsga2"
    """Genetic algorithm, for two objectives."""


class PrunerKind(Enum):
    """Algorithm that stops unpromising trials early."""

    hyperband = "hyperband"
    """Successive halving with several brackets, which differ in how early they prune."""
    successive_halving = "successive_halving"
    """Continues the best third of trials at 1, 3, 9, ... times ``eval_tokens``."""
    median = "median"
    """Prunes trials that are worse than the median of earlier trials at the same step."""
    percentile = "percentile"
    """Prunes trials that are not in the best quarter of earlier trials at the same step."""
    none = "none"


class Direction(Enum):
    """Direction of optimization."""

    minimize = "minimize"
    maximize = "maximize"


class LrScaling(Enum):
    """How the learning rate scales with the tokens per update."""

    none = "none"
    sqrt = "sqrt"
    linear = "linear"


@dataclass
class SweepConfig:
    """Settings of a sweep."""

    description: str = ""
    """One-line description for listings."""
    space: dict[str, Any] = field(default_factory=dict[str, Any])
    """Search space by experiment key: a list of choices, or ``{low, high, step, log}``. With ``when``, such as
    ``when.train.optim.optimizer = "muon"``, it only applies with these choices of other keys; a list is then
    ``{choices, when}``."""
    n_trials: int | None = bounded(None, ge=1, le=100_000)
    """Total number of trials, over all starts of the sweep. Defaults to all valid combinations of a grid."""
    baseline: bool = True
    """Whether the first trial has the experiment's own values, with which the others are compared. It is counted in
    ``n_trials`` and never pruned."""
    confirm: dict[str, int] = field(default_factory=dict[str, int])
    """``{ top = 3, seeds = 3 }`` trains the best 3 trials and the baseline to the end on 3 seeds that the search has
    not used, and ranks them by their means. Defaults to no confirmation."""
    extend: dict[str, int] = field(default_factory=dict[str, int])
    """``{ top = 1, factor = 4 }`` trains the best trial and the baseline on to 4 times the tokens, from their
    checkpoints before the decay, when the search and the confirmation have ended. Needs a ``wsd`` or ``constant``
    schedule, with which the result is that of a run as long from the start. Defaults to no extension."""
    sampler: SamplerKind = SamplerKind.tpe
    pruner: PrunerKind | None = None
    """Defaults to ``hyperband``, or to ``none`` with two objectives."""
    seed: int = bounded(1337, ge=0, lt=2**31)
    """Seed of the sampler; trials use the seed of the experiment."""
    objective: dict[str, Direction] = field(default_factory=dict[str, Direction])
    """One or two metrics, each ``minimize`` or ``maximize``. Defaults to ``val_loss``, the lowest of the run. Other
    metrics of ``metrics.jsonl`` are scored by the median of their last ten values."""
    tokens: int | None = bounded(None, ge=1, le=10**18)
    """Training tokens per trial. Defaults to those of the experiment."""
    eval_tokens: int | None = bounded(None, ge=1, le=10**18)
    """Training tokens between evaluations. Defaults to those of the experiment."""
    eval_block_size: int | None = bounded(None, ge=1, le=2**31)
    """Context length in tokens of every trial's evaluation. Defaults to the smallest ``train.data.block_size``."""
    lr_scaling: LrScaling = LrScaling.none
    """Learning rate factor: ``linear`` is tokens per update relative to the experiment's, ``sqrt`` its square root."""
    workers: int = bounded(1, ge=1, le=256)
    """Number of concurrent trials. With ``local``, they share the cores, and there are at most as many."""
    engine: str = "local"
    """Engine that starts the workers: ``local`` starts processes on this machine, ``ray`` tasks on a Ray cluster, and
    ``slurm`` jobs. The table of that name has its settings, such as ``[ray]``."""
    storage: str | None = None
    """URL of the study's database, such as ``postgresql://user@host/name``, without a password, which belongs in
    ``~/.pgpass`` or ``PGPASSWORD``. Defaults to ``study.db`` in the sweep's folder."""
    retry_failed: int = bounded(0, ge=0, le=100)
    """How often a failed trial is tried again, under a new number; also those that failed before this was set."""
    warm_start: str | None = None
    """Folder of another sweep, such as ``outputs/sweeps/bundestag_char-batching``: its complete trials are taken over
    if they saw the same text and budget, and are not counted in ``n_trials``."""
    max_failures: int = bounded(3, ge=1, le=100_000)
    """Number of consecutive failed trials that stops the sweep."""

    def __post_init__(self) -> None:
        # An empty table is equivalent to none.
        self.objective = self.objective or {"val_loss": Direction.minimize}
