"""Ablation study of ``shakespeare_char``: the experiment without each of its ingredients, five seeds each."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from benchmarks.programs import Measurement, environment, prepared, run_ours
from benchmarks.recipes import EXPERIMENT, SEEDS
from ml_playground.text.config import PrepareConfig

# Lines added to the experiment file; the learning rate of plain AdamW is the best of 2e-3, 5e-3 and 1e-2.
_ADAMW = '[train.optim]\noptimizer = "adamw"\nlearning_rate = 5e-3\nweight_decay = 0.1'
VARIANTS = {
    "shakespeare_char": "",
    "gpt instead of qwen3": '[train.model]\nfamily = "gpt"',
    "adamw instead of muon": _ADAMW,
    "both": f'[train.model]\nfamily = "gpt"\n{_ADAMW}',
    "half the batch, twice the steps": "max_iters = 290\n[train.data]\nbatch_size = 12",
    "beta1 0.9, not 0.8": "[train.optim]\nbeta1 = 0.9",
    "muon_momentum 0.95, not 0.85": "[train.optim]\nmuon_momentum = 0.95",
    "weight_decay 0.1, not 0": "[train.optim]\nweight_decay = 0.1",
    "cosine instead of linear": '[train.schedule]\ndecay = "cosine"',
    "wsd instead of linear": '[train.schedule]\ndecay = "wsd"',
}


def measure(_rounds: int) -> None:
    """Run all variants, interleaved, with each seed, and print mean and standard deviation of the validation loss."""
    text = environment("TINY_SHAKESPEARE", "tiny Shakespeare's input.txt")
    if text is None:
        return
    found: dict[str, list[Measurement]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dataset = prepared(text, folder / "data", PrepareConfig())
        for seed in SEEDS:
            for variant, lines in VARIANTS.items():
                out = folder / "ours"
                base = EXPERIMENT.format(name="shakespeare_char", text=text, data=dataset.folder, out=out, seed=seed)
                found[variant].append(run_ours(out, f"{base}{lines}\n", dataset))
    base_loss = statistics.mean(one.val_loss for one in found["shakespeare_char"])
    print(f"\n| variant | val loss, mean and deviation | more | ms an update |\n|{'---|' * 4}")
    for variant, runs in found.items():
        losses = [one.val_loss for one in runs]
        mean = statistics.mean(losses)
        step = statistics.median(one.step_ms for one in runs)
        print(f"| {variant} | {mean:.4f} ± {statistics.stdev(losses):.4f} | {mean - base_loss:+.4f} | {step:.1f} |")
