from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from ml_playground.composition.load import load_experiment
from ml_playground.errors import UserError
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.seeds import plan
from ml_playground.runs.seeds.plan import Plan, plan_workers
from ml_playground.training.device import Hardware

CPU = Hardware(torch.device("cpu"), torch.float32)


@pytest.mark.parametrize(
    ("seeds", "settings", "expected"),
    [
        (3, {}, Plan(3, 2)),
        (20, {}, Plan(8, 1)),
        (20, {"threads": 3}, Plan(2, 3)),
        (20, {"threads": 8}, Plan(1, 8)),
        (3, {"seed_workers": 1}, Plan(1, 8)),
        (1, {}, Plan(1, 8)),
    ],
)
def test_the_workers_share_the_cores(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, seeds: int, settings: dict[str, int], expected: Plan
) -> None:
    monkeypatch.setattr(plan, "cores", lambda: 8)
    config = load_experiment("bundestag_char", workspace / "tiny.toml")
    runtime = config.train.runtime
    runtime.seeds = list(range(seeds))
    for name, value in settings.items():
        setattr(runtime, name, value)
    dataset = prepare(config)
    assert plan_workers(config, dataset, CPU) == expected
    monkeypatch.setattr(plan, "installed_bytes", lambda: 600_000)  # for two runs of 196 kB
    few = plan_workers(config, dataset, CPU)
    assert few.workers <= 2
    assert few.workers * few.threads <= 8
    monkeypatch.setattr(plan, "installed_bytes", lambda: 1)
    assert plan_workers(config, dataset, CPU).workers == 1
    if "seed_workers" not in settings:
        assert plan_workers(config, dataset, Hardware(torch.device("cuda"), torch.float32)).workers == 1


def test_more_threads_than_cores_are_refused(workspace: Path) -> None:
    config = load_experiment("bundestag_char", workspace / "tiny.toml")
    cores = os.cpu_count() or 1
    config.train.runtime.seeds, config.train.runtime.seed_workers, config.train.runtime.threads = [1, 2], 2, cores
    with pytest.raises(
        UserError, match=rf"^train\.runtime\.seed_workers: 2 with {cores} threads each .* use 1 at most$"
    ):
        plan_workers(config, prepare(config), CPU)
