"""Run nanoGPT and ml-playground as users do: in separate processes, on the same token files."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from ml_playground.dataset.batches import Batches
from ml_playground.dataset.prepare import prepare_dataset
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextFile
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware
from ml_playground.training.evaluation import evaluate
from ml_playground.training.loading import load_trained

_WARM_UP_STEPS = 3


@dataclass(frozen=True)
class Measurement:
    """Measurements of one run of one program."""

    step_ms: float
    """Median time of an update."""
    training_seconds: float
    """Total time of all updates, without imports and evaluations; the first one includes compilation."""
    wall_seconds: float
    """Wall time of the whole process."""
    val_loss: float
    """Validation loss in nats per token over the whole split, in windows of the model's context length."""


def prepared(text: Path, folder: Path, config: PrepareConfig) -> PreparedDataset:
    """Create the token files for both programs."""
    config.preparer, config.dataset_dir = "bench", folder
    return prepare_dataset(config, TextFile(text))


def run_ours(folder: Path, experiment: str, dataset: PreparedDataset) -> Measurement:
    """Train an experiment file on ``dataset``, which its ``[prepare]`` table refers to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "experiment.toml").write_text(experiment, encoding="utf-8")
    verb = ["-m", "ml_playground.cli", "train", "bench", "--exp-config", str(folder / "experiment.toml")]
    started = time.perf_counter()
    subprocess.run([sys.executable, *verb], check=True, capture_output=True)
    wall = time.perf_counter() - started
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    # Steps 1, n, 2n ...: each value is the mean since the previous line.
    logged = [(line["step"], line["train/step_time_ms"]) for line in lines if "train/step_time_ms" in line]
    before = [0, *(step for step, _ in logged)]
    seconds = sum((step - last) * each for (step, each), last in zip(logged, before, strict=False)) / 1000
    (folder / "ckpt_best.pt").unlink(missing_ok=True)  # evaluate the last checkpoint, as for nanoGPT
    times = [each for _, each in logged][_WARM_UP_STEPS:]
    return Measurement(statistics.median(times), seconds, wall, full_val_loss(folder, dataset))


def run_nanogpt(
    checkout: Path, folder: Path, settings: Mapping[str, int | float], dataset: PreparedDataset
) -> Measurement:
    """Run nanoGPT's ``train.py`` in a copy of its checkout in ``folder``, with nanoGPT settings."""
    if not folder.exists():
        shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git", "*.png", "*.jpg", "*.ipynb"))
    _hand_over(dataset, folder / "data" / "shakespeare_char")
    given = {
        # eval_iters only affects the time of its own evaluation; always_save_checkpoint makes ckpt.pt the last one.
        "eval_iters": 1, "always_save_checkpoint": True,
        "device": "cpu", "compile": False, "log_interval": 1, "dropout": 0.0,
        "eval_interval": settings["max_iters"], "lr_decay_iters": settings["max_iters"], **settings,
    }  # fmt: skip
    arguments = [f"--{name}={value}" for name, value in given.items()]
    started = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "train.py", "config/train_shakespeare_char.py", *arguments],
        check=True, capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    wall = time.perf_counter() - started
    times = [float(each) for each in re.findall(r"time ([\d.]+)ms", result.stdout)]
    steady = times[_WARM_UP_STEPS:]
    # nanoGPT's first and last times include an evaluation; cap outliers at ten times the median.
    median = statistics.median(steady)
    seconds = sum(min(each, 10 * median) for each in times) / 1000
    return Measurement(median, seconds, wall, full_val_loss(folder / "out-shakespeare-char", dataset))


def full_val_loss(folder: Path, dataset: PreparedDataset) -> float:
    """Return the loss of a run folder's model on the whole validation split, with the same code for both programs."""
    model = load_trained(folder).model.eval()
    hardware = choose_hardware(Device.cpu, Dtype.float32)
    with torch.no_grad():
        loss = evaluate(model.loss, Batches(dataset, "val", 32, model.block_size), 0, hardware, lambda: False)
    assert loss is not None, "nothing stops it"
    return loss


def nanogpt_and_text() -> tuple[Path, Path] | None:
    """Return the paths of nanoGPT and tiny Shakespeare; if either is missing, report it and return None."""
    nanogpt = environment("NANOGPT", "a checkout of karpathy/nanoGPT")
    text = environment("TINY_SHAKESPEARE", "tiny Shakespeare's input.txt")
    return (nanogpt, text) if nanogpt and text else None


def environment(name: str, what: str) -> Path | None:
    """Return the path in an environment variable; if it is missing, report that and return None."""
    path = os.environ.get(name)
    if path and Path(path).exists():
        return Path(path).resolve()
    print(f"skipped: set {name} to the path of {what}; there is nothing to compare with")
    return None


def _hand_over(dataset: PreparedDataset, folder: Path) -> None:
    """Copy the token files to nanoGPT, and write the meta file that it expects."""
    for split in ("train", "val"):
        shutil.copy(dataset.folder / f"{split}.bin", folder)
    (folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": dataset.meta.vocab_size}))
