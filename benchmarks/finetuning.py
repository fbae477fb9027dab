"""LoRA finetuning, side by side with transformers' own Trainer on the same model, batches, adapters and seed."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch.utils.data import IterableDataset

import ml_playground as mlp
from ml_playground.dataset.batches import Batches
from ml_playground.models.hf import lora_config
from ml_playground.training.config import Dtype
from ml_playground.training.rng import seed_everything

STEPS, WARM = 120, 20
EXPERIMENT = """
[prepare]
preparer = "shakespeare_char"
input = "{text}"
tokenizer = "hf"
tokenizer_path = "{model}"
dataset_dir = "{folder}/data"
[train.model]
family = "hf"
path = "{model}"
[train.model.peft]
r = 16
alpha = 32
[train.data]
batch_size = 8
block_size = 128
[train.optim]
learning_rate = 1e-3
weight_decay = 0.0
[train.schedule]
decay = "constant"
[train.runtime]
out_dir = "{folder}/run"
device = "cpu"
dtype = "{dtype}"
compile = "{compile}"
max_iters = {steps}
sample_tokens = 0
eval_interval = {steps}
eval_iters = 1
log_interval = 1
"""


@dataclass(frozen=True)
class Result:
    """What one program did."""

    losses: list[float]
    """Of every step."""
    tokens_per_second: float
    peak_mb: float


class Windows(IterableDataset[dict[str, torch.Tensor]]):
    """The windows of our batches, one after the other. transformers shifts the labels itself."""

    def __init__(self, batches: Batches, seed: int) -> None:
        self._batches, self._seed = batches, seed

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for step in range(STEPS):
            batch = self._batches.random(self._seed, step)
            for inputs, targets in zip(batch.inputs, batch.targets, strict=True):
                ids = torch.cat([inputs, targets[-1:]])
                yield {"input_ids": ids, "labels": ids}


def measure(rounds: int) -> None:
    """Train both in turn, and print median tokens per second, peak memory, and how far the losses are apart."""
    model, text = os.environ.get("TINY_LM"), os.environ.get("TINY_SHAKESPEARE")
    if not model or not text:
        print("skipped: set TINY_LM to the folder of a small model, and TINY_SHAKESPEARE to the text")
        return
    for dtype in ("float32", "bfloat16"):
        _compare(dtype, rounds, text, model)


def _compare(dtype: str, rounds: int, text: str, model: str) -> None:
    results: dict[str, list[Result]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds):
        for name, each in results.items():
            with tempfile.TemporaryDirectory() as folder:
                compiled = "on" if name == COMPILED else "off"
                experiment = EXPERIMENT.format(
                    text=text, model=model, folder=folder, steps=STEPS, dtype=dtype, compile=compiled
                )
                (Path(folder) / "lora.toml").write_text(experiment, encoding="utf-8")
                each.append(_in_its_own_process(name, Path(folder) / "lora.toml"))
    base = statistics.median(result.tokens_per_second for result in results[THEIRS])
    print(f"\n{dtype}:\n\n| program | tokens/s, median | ratio | peak memory | loss, first and last ten steps |")
    print("|---|---|---|---|---|")
    for name, each in results.items():
        speed = statistics.median(result.tokens_per_second for result in each)
        memory = statistics.median(result.peak_mb for result in each)
        losses = each[0].losses
        ends = f"{statistics.mean(losses[:10]):.4f}, {statistics.mean(losses[-10:]):.4f}"
        print(f"| {name} | {speed:,.0f} | {speed / base:.2f}x | {memory:,.0f} MB | {ends} |")
    apart = max(abs(a - b) / b for a, b in zip(results[OURS][0].losses, results[THEIRS][0].losses, strict=True))
    print(f"\nlargest difference of a step's loss: {100 * apart:.3f} %")


def _in_its_own_process(name: str, experiment: Path) -> Result:
    """Train in a new process, whose memory is that of this program alone."""
    command = [sys.executable, "-m", "benchmarks.finetuning", name, str(experiment)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def _train(name: str, experiment: Path) -> Result:
    config = mlp.load_experiment("lora", experiment)
    losses, seconds = PROGRAMS[name](config)
    tokens = config.train.data.batch_size * config.train.data.block_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return Result(losses, tokens / statistics.median(seconds[WARM:]), peak)


def _ours(config: mlp.ExperimentConfig) -> tuple[list[float], list[float]]:
    mlp.train(config)
    lines = (config.train.runtime.out_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    steps = [entry for entry in entries if "train/loss" in entry]
    return [e["train/loss"] for e in steps], [e["train/step_time_ms"] / 1000 for e in steps]


def _theirs(config: mlp.ExperimentConfig) -> tuple[list[float], list[float]]:
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

    dataset = mlp.prepare(config)
    train = config.train
    seed_everything(train.runtime.seed)
    args = train.model.args(dataset.meta.vocab_size)
    base = AutoModelForCausalLM.from_pretrained(str(args["path"]), dtype=torch.float32)
    model = get_peft_model(base, lora_config(args, base))
    times: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_arguments: object, **_rest: object) -> None:
            times.append(time.perf_counter())

    arguments = TrainingArguments(
        output_dir=str(train.runtime.out_dir) + "-theirs",
        max_steps=STEPS,
        per_device_train_batch_size=train.data.batch_size,
        learning_rate=train.optim.learning_rate,
        adam_beta1=train.optim.beta1,
        adam_beta2=train.optim.beta2,
        weight_decay=0.0,
        max_grad_norm=train.optim.grad_clip,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        logging_steps=1,
        save_strategy="no",
        report_to="tensorboard",  # as every run here
        use_cpu=True,
        bf16=train.runtime.dtype is Dtype.bfloat16,
        disable_tqdm=True,
        seed=train.runtime.seed,
    )
    windows = Windows(Batches(dataset, "train", train.data.batch_size, train.data.block_size), train.runtime.seed)
    trainer = Trainer(model, arguments, train_dataset=windows, callbacks=[Clock()])
    trainer.train()
    history = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return [float(loss) for loss in history], [after - before for before, after in pairwise(times)]


OURS, COMPILED, THEIRS = "this project", "this project, compiled", "transformers' Trainer"
PROGRAMS: dict[str, Callable[[mlp.ExperimentConfig], tuple[list[float], list[float]]]] = {
    OURS: _ours,
    COMPILED: _ours,
    THEIRS: _theirs,
}
"""Functions that train, and return losses and seconds of every step."""

if __name__ == "__main__":
    print(json.dumps(asdict(_train(sys.argv[1], Path(sys.argv[2])))))
