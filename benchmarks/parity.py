"""Parity of learning with nanoGPT: validation loss after the same number of updates, with three seeds."""

from __future__ import annotations

import shutil
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks.programs import nanogpt_and_text, run_nanogpt, run_ours
from benchmarks.training import Work, datasets, experiment, nanogpt_settings
from ml_playground.dataset.prepared import PreparedDataset

UPDATES = 300
SEEDS = (1, 2, 3)


def measure(_rounds: int) -> None:
    """Train all workloads with both programs and each seed, and print mean and range of the validation loss."""
    if (peer := nanogpt_and_text()) is None:
        return
    nanogpt, text = peer
    print(f"\n| work | nanoGPT: mean (range) | ml-playground: mean (range) | difference |\n|{'---|' * 4}")
    with tempfile.TemporaryDirectory() as folder:
        for work, dataset in datasets(text, Path(folder)):
            _compare(replace(work, updates=UPDATES), nanogpt, text, dataset, Path(folder))


def _compare(work: Work, nanogpt: Path, text: Path, dataset: PreparedDataset, folder: Path) -> None:
    theirs: list[float] = []
    ours: list[float] = []
    for seed in SEEDS:
        out = folder / "ours"
        settings = experiment(work, text, dataset, out, "ml-playground")
        ours.append(run_ours(out, f"{settings}seed = {seed}\n", dataset).val_loss)
        seeded = _with_seed(nanogpt, folder / f"checkout{seed}", seed)
        theirs.append(run_nanogpt(seeded, folder / f"nanogpt{seed}", nanogpt_settings(work), dataset).val_loss)
    means = statistics.mean(theirs), statistics.mean(ours)
    columns = " | ".join(
        f"{mean:.4f} ({min(losses):.4f} .. {max(losses):.4f})"
        for mean, losses in zip(means, (theirs, ours), strict=True)
    )
    print(f"| {work.name} | {columns} | {means[1] - means[0]:+.4f} |", flush=True)


def _with_seed(checkout: Path, folder: Path, seed: int) -> Path:
    """Copy nanoGPT and change the seed, which is hard-coded in its source."""
    if not folder.exists():
        shutil.copytree(checkout, folder, ignore=shutil.ignore_patterns(".git"))
        program = folder / "train.py"
        program.write_text(program.read_text(encoding="utf-8").replace("1337", str(seed)), encoding="utf-8")
    return folder
