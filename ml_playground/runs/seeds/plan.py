"""How many seeds are trained at a time, and with how many threads."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.errors import UserError
from ml_playground.models.build import create_model, parameter_counts
from ml_playground.training.device import Hardware, cores
from ml_playground.training.memory import estimate, installed_bytes

_SHARE = 0.8
"""Of the installed memory, for training."""


@dataclass(frozen=True)
class Plan:
    """Workers for the seeds of an experiment."""

    workers: int
    threads: int
    """CPU threads of each worker."""


def refuse(problem: str) -> UserError:
    """Return the error for a number of workers that cannot be used."""
    return UserError(f"train.runtime.seed_workers: {problem}")


def plan_workers(config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware) -> Plan:
    """Return how many seeds to train at a time.

    It depends on the settings and on the machine, not on what else is running or has been trained already: with
    another number of threads, sums are rounded differently.

    Raises:
        UserError: If the settings ask for more threads than there are CPUs.
    """
    runtime = config.train.runtime
    workers = runtime.seed_workers or _workers(config, dataset, hardware)
    threads = runtime.threads or max(1, cores() // workers)
    if runtime.seed_workers > 1 and workers * threads > (cpus := os.cpu_count() or 1):
        raise refuse(
            f"{workers} with {threads} threads each are more than this machine's {cpus} cores; use"
            f" {max(1, cpus // threads)} at most"
        )
    return Plan(workers, threads)


def _workers(config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware) -> int:
    runtime = config.train.runtime
    if hardware.device.type != "cpu":
        return 1
    wanted = min(len(runtime.seeds), max(1, cores() // (runtime.threads or 1)))
    return max(1, min(wanted, _fitting(config, dataset, hardware))) if wanted > 1 else 1


def _fitting(config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware) -> int:
    """Return how many runs fit into memory at a time; not more than one if the weights alone show it."""
    memory = int(_SHARE * installed_bytes())
    args = config.train.model.args(dataset.meta.vocab_size)
    parameters, trained = parameter_counts(args)
    if (fitting := memory // (4 * (parameters + 3 * trained))) <= 1:
        return fitting
    return memory // estimate(create_model(args), config.train, hardware).total
