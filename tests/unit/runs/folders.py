"""Run folders with a record and curves, without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from ml_playground.durable import to_json
from ml_playground.runs.manifest import RunManifest

TOKENS_PER_STEP, SECONDS_PER_STEP, FLOPS_PER_TOKEN = 64, 0.01, 1e6
LOSSES = (3.5, 3.0, 2.75, 2.6)


def write_run(folder: Path, losses: Sequence[float] = LOSSES, **fields: Any) -> Path:
    """A run with one evaluation every 10 steps; ``settings`` are those of its ``config.toml``."""
    folder.mkdir(parents=True)
    settings = fields.pop("settings", {})
    steps = 10 * (len(losses) - 1)
    values: dict[str, Any] = {
        "experiment": "tiny",
        "status": "finished",
        "max_iters": steps,
        "data": "d",
        "hardware": "cpu with 2 threads, float32",
        "processor": "Test CPU",
        "step": steps,
        "tokens": steps * TOKENS_PER_STEP,
        "seconds": steps * SECONDS_PER_STEP,
        "flops": steps * TOKENS_PER_STEP * FLOPS_PER_TOKEN,
        "val_loss": losses[-1],
        "best_val_loss": min(losses),
        "bytes_per_token": 1.0,
        "seed": 1337,
        "tokenizer": "char",
        "vocab_size": 60,
        "block_size": 16,
        "eval_block_size": 16,
        "val_text": "text",
        "git": {"commit": "c0ffee", "dirty": False},
    }
    RunManifest(**{**values, **fields}).write(folder)
    write_curve(folder, losses)
    (folder / "config.toml").write_text(tomli_w.dumps(config_tables(values["max_iters"], settings)), encoding="utf-8")
    return folder


def write_curve(folder: Path, losses: Sequence[float]) -> None:
    """``metrics.jsonl``."""
    lines: list[str] = []
    for index, loss in enumerate(losses):
        step = 10 * index
        elapsed = {"train/tokens": step * TOKENS_PER_STEP, "train/seconds": step * SECONDS_PER_STEP}
        if step:
            lines.append(to_json({"step": step, "train/loss": loss - 0.1, **elapsed}))
        lines.append(to_json({"step": step, "val/loss": loss, **elapsed, "sample": f"text at {step} <b>"}))
    (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")


def config_tables(max_iters: int, settings: dict[str, Any]) -> dict[str, Any]:
    """The tables of a ``config.toml``, with some settings by dotted key."""
    tables: dict[str, Any] = {
        "prepare": {"preparer": "tiny", "tokenizer": "char"},
        "train": {
            "model": {"family": "gpt", "n_layer": 1, "block_size": 16},
            "data": {"batch_size": 4, "block_size": 16, "grad_accum_steps": 1},
            "optim": {"optimizer": "adamw", "learning_rate": 0.003, "muon_learning_rate": 0.02},
            "schedule": {"decay": "cosine"},
            "runtime": {"max_iters": max_iters, "seed": 1337, "eval_iters": 0, "eval_interval": 10},
        },
    }
    for key, value in settings.items():
        *path, name = key.split(".")
        table = tables
        for part in path:
            table = table.setdefault(part, {})
        table[name] = value
    return tables
