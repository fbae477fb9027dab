"""Time to a target loss: nanoGPT's CPU recipe in both programs, and the experiment optimized for speed."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.programs import Measurement, nanogpt_and_text, prepared, run_nanogpt, run_ours
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.text.config import PrepareConfig

# nanoGPT's README: "on a macbook or other cheap computer".
NANOGPT = {
    "block_size": 64, "batch_size": 12, "n_layer": 4, "n_head": 4, "n_embd": 128, "max_iters": 2000,
}  # fmt: skip
SEEDS = range(1, 6)
TARGET = 1.88
EXPERIMENT = """
defaults = ["{name}"]
[prepare]
preparer = "shakespeare_char"
input = "{text}"
dataset_dir = "{data}"
[train.runtime]
out_dir = "{out}"
device = "cpu"
seed = {seed}
"""


def measure(rounds: int) -> None:
    """Run nanoGPT and its recipe here ``rounds`` times, interleaved with five seeds of ``shakespeare_char``."""
    if (peer := nanogpt_and_text()) is None:
        return
    nanogpt, text = peer
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = prepared(text, folder / "data", PrepareConfig())
        found: dict[str, list[Measurement]] = {"nanoGPT": [], "shakespeare_char_nanogpt": [], "shakespeare_char": []}
        for number in range(max(rounds, len(SEEDS))):
            if number < rounds:
                found["nanoGPT"].append(run_nanogpt(nanogpt, folder / "nanogpt", NANOGPT, dataset))
            for experiment in ("shakespeare_char_nanogpt", "shakespeare_char"):
                if number < (rounds if experiment != "shakespeare_char" else len(SEEDS)):
                    found[experiment].append(_ours(experiment, folder, text, dataset, number + 1))
    _report(found)


def _ours(name: str, folder: Path, text: Path, dataset: PreparedDataset, seed: int) -> Measurement:
    out = folder / "ours"
    experiment = EXPERIMENT.format(name=name, text=text, data=dataset.folder, out=out, seed=seed)
    return run_ours(out, experiment, dataset)


def _report(found: dict[str, list[Measurement]]) -> None:
    print(
        f"\n| recipe | runs | seconds of training | against nanoGPT | whole process | val loss, worst |\n|{'---|' * 6}"
    )
    base = statistics.median(one.training_seconds for one in found["nanoGPT"])
    for name, runs in found.items():
        seconds = statistics.median(one.training_seconds for one in runs)
        wall = statistics.median(one.wall_seconds for one in runs)
        losses = [one.val_loss for one in runs]
        print(
            f"| {name} | {len(runs)} | {seconds:.1f} | {base / seconds:.1f}x | {wall:.1f} s"
            f" | {statistics.mean(losses):.4f}, {max(losses):.4f} |"
        )
    reached = sum(one.val_loss <= TARGET for one in found["shakespeare_char"])
    print(f"\nshakespeare_char: {reached} of {len(SEEDS)} seeds reach {TARGET}")
