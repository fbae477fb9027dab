"""One run per seed of ``train.runtime.seeds``, in ``seed-1``, ``seed-2``, ... below the experiment's run folder."""

from __future__ import annotations

import math
import statistics

from ml_playground.config import ExperimentConfig
from ml_playground.runs.manifest import find_manifest
from ml_playground.runs.moving import in_folder


def seed_configs(config: ExperimentConfig) -> list[ExperimentConfig]:
    """Return the config of the run with each seed; just the config itself if it has one seed."""
    seeds = config.train.runtime.seeds
    return [_with_seed(config, seed) for seed in seeds] if seeds else [config]


def with_best_seed(config: ExperimentConfig) -> ExperimentConfig:
    """Return the config of the seed with the lowest validation loss, to sample from; itself if no seed has one."""
    trained = [(best, each) for each in seed_configs(config) if (best := _best(each)) is not None]
    return min(trained, key=lambda pair: pair[0])[1] if config.train.runtime.seeds and trained else config


def summary(config: ExperimentConfig) -> str:
    """Describe the best validation losses over the seeds."""
    bests = [best for each in seed_configs(config) if (best := _best(each)) is not None]
    deviation = f" ± {statistics.stdev(bests):.4f}" if len(bests) > 1 else ""
    mean = statistics.fmean(bests) if bests else math.nan
    return f"{len(bests)} seeds: best val loss {mean:.4f}{deviation}, in {config.train.runtime.out_dir}"


def _with_seed(config: ExperimentConfig, seed: int) -> ExperimentConfig:
    one = in_folder(config, config.train.runtime.out_dir / f"seed-{seed}")
    runtime = one.train.runtime
    runtime.seed, runtime.seeds, runtime.seed_workers = seed, [], 0
    return one


def _best(config: ExperimentConfig) -> float | None:
    manifest = find_manifest(config.train.runtime.out_dir)
    return manifest.best_val_loss if manifest else None
