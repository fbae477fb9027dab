"""Training speed against nanoGPT, with the same model, batches and data, in separate processes."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.programs import Measurement, nanogpt_and_text, prepared, run_nanogpt, run_ours
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.errors import DataError
from ml_playground.text.config import PrepareConfig


@dataclass(frozen=True)
class Work:
    """A workload: a model and its training data."""

    name: str
    n_layer: int
    n_head: int
    n_embd: int
    batch_size: int
    block_size: int
    tokenizer: str
    updates: int


WORKS = (
    Work("(a) 4 layers, 128 wide, 12 x 64 characters", 4, 4, 128, 12, 64, "char", 300),
    Work("(b) 6 layers, 384 wide, 8 x 256 characters", 6, 6, 384, 8, 256, "char", 15),
    Work("(c) 2 layers, 64 wide, 8 x 64 of GPT-2's tokens", 2, 2, 64, 8, 64, "tiktoken", 60),
)
EXPERIMENT = """
[prepare]
preparer = "bundestag_char"
input = "{text}"
dataset_dir = "{data}"
tokenizer = "{tokenizer}"
[train.model]
activation = "gelu"
n_layer = {work.n_layer}
n_head = {work.n_head}
n_embd = {work.n_embd}
[train.data]
batch_size = {work.batch_size}
block_size = {work.block_size}
[train.optim]
learning_rate = 1e-3
[train.schedule]
warmup_iters = 100
min_lr = 1e-4
lr_decay_iters = 2000
[train.runtime]
out_dir = "{out}"
device = "cpu"
dtype = "{dtype}"
compile = "{compile}"
max_iters = {work.updates}
sample_tokens = 0
eval_interval = {work.updates}
eval_iters = 1
log_interval = 1
"""
VARIANTS = {
    "ml-playground": {"dtype": "auto", "compile": "auto"},
    "ml-playground, float32": {"dtype": "float32", "compile": "off"},
    "ml-playground, compiled": {"dtype": "auto", "compile": "on"},
}


def measure(rounds: int) -> None:
    """Run all programs on all workloads ``rounds`` times, interleaved, and print medians and ratios."""
    if (peer := nanogpt_and_text()) is None:
        return
    nanogpt, text = peer
    print(f"\n| work | program | ms an update (quartiles) | tokens/s | against nanoGPT | val loss |\n|{'---|' * 6}")
    with tempfile.TemporaryDirectory() as folder:
        for work, dataset in datasets(text, Path(folder)):
            _report(work, _compare(work, nanogpt, text, dataset, Path(folder), rounds))


def datasets(text: Path, folder: Path) -> Iterator[tuple[Work, PreparedDataset]]:
    """Iterate over all workloads with their token files; report and skip those whose tokenizer is unavailable."""
    for work in WORKS:
        try:
            data = folder / f"data-{work.tokenizer}"
            yield work, prepared(text, data, PrepareConfig(tokenizer=work.tokenizer))
        except DataError as error:
            print(f"skipped: {work.name}: {error}")


def nanogpt_settings(work: Work) -> dict[str, int]:
    """Return the settings of a workload for nanoGPT's ``train.py``."""
    return {
        "n_layer": work.n_layer, "n_head": work.n_head, "n_embd": work.n_embd, "batch_size": work.batch_size,
        "block_size": work.block_size, "max_iters": work.updates, "lr_decay_iters": 2000,
    }  # fmt: skip


def experiment(work: Work, text: Path, dataset: PreparedDataset, out: Path, variant: str) -> str:
    """Return a workload as an experiment file, which ends with ``[train.runtime]`` so that settings can be appended."""
    return EXPERIMENT.format(
        work=work, tokenizer=work.tokenizer, text=text, data=dataset.folder, out=out, **VARIANTS[variant]
    )


def _compare(
    work: Work, nanogpt: Path, text: Path, dataset: PreparedDataset, folder: Path, rounds: int
) -> dict[str, list[Measurement]]:
    found: dict[str, list[Measurement]] = {name: [] for name in ("nanoGPT", *VARIANTS)}
    for _ in range(rounds):
        found["nanoGPT"].append(run_nanogpt(nanogpt, folder / "nanogpt", nanogpt_settings(work), dataset))
        for name in VARIANTS:
            ours = folder / "ours"
            found[name].append(run_ours(ours, experiment(work, text, dataset, ours, name), dataset))
    return found


def _report(work: Work, found: dict[str, list[Measurement]]) -> None:
    base = statistics.median(one.step_ms for one in found["nanoGPT"])
    for name, runs in found.items():
        times = sorted(one.step_ms for one in runs)
        median, low, high = statistics.median(times), times[len(times) // 4], times[-1 - len(times) // 4]
        speed = 1000 * work.batch_size * work.block_size / median
        loss = statistics.median(one.val_loss for one in runs)
        print(
            f"| {work.name} | {name} | {median:.1f} ({low:.1f} .. {high:.1f}) | {speed:,.0f} | {base / median:.2f}x"
            f" | {loss:.4f} |",
            flush=True,
        )
