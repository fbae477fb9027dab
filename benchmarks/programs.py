"""nanoGPT and ml-playground as their users run them: a process each, on the same token files."""

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
from ml_playground.runs.loading import load_trained
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextFile
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware
from ml_playground.training.evaluation import evaluate

_WARM_UP_STEPS = 3


@dataclass(frozen=True)
class Measurement:
    """One run of one program."""

    step_ms: float
    """Median of an update."""
    training_seconds: float
    """All updates together, without imports and evaluations; compiling is in the first of them."""
    wall_seconds: float
    """The whole process."""
    val_loss: float
    """Nats per token over the whole split, in windows of the model's context."""


def prepared(text: Path, folder: Path, config: PrepareConfig) -> PreparedDataset:
    """Token files for both programs."""
    config.preparer, config.dataset_dir = "bench", folder
    return prepare_dataset(config, TextFile(text))


def run_ours(folder: Path, experiment: str, dataset: PreparedDataset) -> Measurement:
    """Train an experiment file on ``dataset``, which its ``[prepare]`` names."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "experiment.toml").write_text(experiment, encoding="utf-8")
    verb = ["-m", "ml_playground.cli", "train", "bench", "--exp-config", str(folder / "experiment.toml")]
    started = time.perf_counter()
    subprocess.run([sys.executable, *verb], check=True, capture_output=True)
    wall = time.perf_counter() - started
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    # Steps 1, n, 2n ...: each line is the mean since the one before.
    logged = [(line["step"], line["train/step_time_ms"]) for line in lines if "train/step_time_ms" in line]
    before = [0, *(step for step, _ in logged)]
    seconds = sum((step - last) * each for (step, each), last in zip(logged, before, strict=False)) / 1000
    (folder / "ckpt_best.pt").unlink(missing_ok=True)  # nanoGPT's checkpoint is its last one too
    times = [each for _, each in logged][_WARM_UP_STEPS:]
    return Measurement(statistics.median(times), seconds, wall, full_val_loss(folder, dataset))


def run_nanogpt(
    checkout: Path, folder: Path, settings: Mapping[str, int | float], dataset: PreparedDataset
) -> Measurement:
    """Run ``train.py`` of a checkout, copied to ``folder``, with settings of its own."""
    if not folder.exists():
        shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git", "*.png", "*.jpg", "*.ipynb"))
    _hand_over(dataset, folder / "data" / "shakespeare_char")
    given = {
        # eval_iters only sets how long its own evaluation takes; always_save_checkpoint makes ckpt.pt its last one.
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
    # Its first and last times hold an evaluation each; the median stands for them.
    median = statistics.median(steady)
    seconds = sum(min(each, 10 * median) for each in times) / 1000
    return Measurement(median, seconds, wall, full_val_loss(folder / "out-shakespeare-char", dataset))


def full_val_loss(folder: Path, dataset: PreparedDataset) -> float:
    """The loss of a run folder's model over the whole validation split, computed alike for both programs."""
    model = load_trained(folder).model.eval()
    hardware = choose_hardware(Device.cpu, Dtype.float32)
    with torch.no_grad():
        loss = evaluate(model.loss, Batches(dataset, "val", 32, model.block_size), 0, hardware, lambda: False)
    assert loss is not None, "nothing stops it"
    return loss


def nanogpt_and_text() -> tuple[Path, Path] | None:
    """A checkout of nanoGPT and tiny Shakespeare; where one is missing, say that what needs them is skipped."""
    nanogpt = environment("NANOGPT", "a checkout of karpathy/nanoGPT")
    text = environment("TINY_SHAKESPEARE", "tiny Shakespeare's input.txt")
    return (nanogpt, text) if nanogpt and text else None


def environment(name: str, what: str) -> Path | None:
    """The path in an environment variable; where there is none, say that what needs it is skipped."""
    path = os.environ.get(name)
    if path and Path(path).exists():
        return Path(path).resolve()
    print(f"skipped: set {name} to the path of {what}; there is nothing to compare with")
    return None


def _hand_over(dataset: PreparedDataset, folder: Path) -> None:
    """Give nanoGPT the same token files, and the meta file that it looks for."""
    for split in ("train", "val"):
        shutil.copy(dataset.folder / f"{split}.bin", folder)
    (folder / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": dataset.meta.vocab_size}))
