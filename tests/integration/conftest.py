from __future__ import annotations

import json
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import cast

import pytest
import tomli_w
import torch

from ml_playground.composition.load import load_experiment
from ml_playground.config import ExperimentConfig
from ml_playground.sampling.config import SamplingConfig
from ml_playground.sampling.generation import generate
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import LoadedCheckpoint
from ml_playground.training.checkpoint_manifest import LAST
from ml_playground.training.loading import load_trained

Tiny = Callable[..., ExperimentConfig]


@pytest.fixture
def tiny(workspace: Path) -> Tiny:
    """The tiny experiment with other values, as ``tiny(train={"runtime": {"max_iters": 3}})``."""

    def load(**tables: object) -> ExperimentConfig:
        # An experiment that inherits the tiny one, so that only the differences are written.
        folder = workspace / "conf" / "experiment"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tiny.toml").write_text((workspace / "tiny.toml").read_text(encoding="utf-8"), encoding="utf-8")
        (workspace / "changed.toml").write_text(tomli_w.dumps({"defaults": ["tiny"], **tables}), encoding="utf-8")
        return load_experiment("bundestag_char", workspace / "changed.toml")

    return load


def last(folder: Path) -> LoadedCheckpoint:
    """The run's last checkpoint."""
    found = checkpoints.find(folder, LAST)
    assert found is not None
    return found


def differences(first: object, second: object, path: str = "") -> list[str]:
    """Where two checkpoints differ in any bit, apart from the time that training took."""
    if path.endswith(("/seconds", "out_dir")):
        return []
    if isinstance(first, torch.Tensor) and isinstance(second, torch.Tensor):
        return [] if first.dtype == second.dtype and torch.equal(first, second) else [path]
    if isinstance(first, dict) and isinstance(second, dict):
        one, other = cast("dict[object, object]", first), cast("dict[object, object]", second)
        keys = [*one, *(key for key in other if key not in one)]
        return [line for key in keys for line in differences(one.get(key), other.get(key), f"{path}/{key}")]
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        ones, others = cast("list[object]", first), cast("list[object]", second)
        pairs = enumerate(zip_longest(ones, others))
        return [line for index, (a, b) in pairs for line in differences(a, b, f"{path}/{index}")]
    return [] if first == second else [path]


def steps(folder: Path) -> dict[str, int]:
    """The step of every kept checkpoint."""
    paths = [path for path in folder.glob("ckpt_*.json") if "prev" not in path.name]
    return {path.name: json.loads(path.read_text())["step"] for path in paths}


def logged(folder: Path) -> list[dict[str, float]]:
    """What was logged, without the speed."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    speed = ("train/tokens_per_sec", "train/step_time_ms", "train/seconds")
    return [{key: value for key, value in json.loads(line).items() if key not in speed} for line in lines]


def sampled(folder: Path) -> list[int]:
    """200 tokens of the folder's best model."""
    trained = load_trained(folder)
    generator = torch.Generator().manual_seed(1)
    settings = SamplingConfig(max_new_tokens=200)
    steps = generate(trained.model.eval(), torch.tensor([1]), trained.model.vocab_size, settings, generator)
    return [token for (token,) in steps]
