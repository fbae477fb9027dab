"""Settings that can affect a result, for comparisons: without bookkeeping, and without what a run does not read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from ml_playground.durable import read_regular

Settings = Mapping[str, object]
"""Values by dotted key; unset ones are absent."""

_BOOKKEEPING = re.compile(
    r"(?!prepare\.|train\.).*"
    r"|prepare\.(dataset_dir|url|sha256|request_interval|on_bad_file)"
    r"|train\.runtime\.(out_dir|threads|workers|compile|eval_interval|eval_batch_size|eval_only|log_interval|sample_tokens"
    r"|seeds|seed_workers|always_save_checkpoint|on_nonfinite|ckpt_\w+|best_smoothing_alpha)"
)
_READ_IF: dict[str, tuple[str, set[str]]] = {
    "prepare.ngram": ("prepare.tokenizer", {"char_ngram"}),
    "prepare.encoding": ("prepare.tokenizer", {"tiktoken"}),
    "prepare.vocab_size": ("prepare.tokenizer", {"bpe"}),
    "prepare.tokenizer_path": ("prepare.tokenizer", {"hf"}),
    "prepare.tokenizer_revision": ("prepare.tokenizer", {"hf"}),
    "train.optim.muon_learning_rate": ("train.optim.optimizer", {"muon"}),
    "train.optim.muon_momentum": ("train.optim.optimizer", {"muon"}),
    "train.schedule.decay_fraction": ("train.schedule.decay", {"wsd"}),
    "train.schedule.min_lr": ("train.schedule.decay", {"cosine", "linear", "wsd"}),
    "train.schedule.lr_decay_iters": ("train.schedule.decay", {"cosine", "linear", "wsd"}),
    **{
        f"train.model.peft.{name}": ("train.model.peft.method", {"lora"})
        for name in ("r", "alpha", "dropout", "target_modules", "use_rslora", "use_dora")
    },
}
"""Settings that are read only for some values of another one."""
_EARLY_STOPPING = re.compile(r"train\.runtime\.(ckpt_metric|ckpt_greater_is_better|best_smoothing_alpha)")


def relevant(settings: Settings) -> dict[str, object]:
    """Return the settings that can affect a result and that this run reads."""
    return {key: value for key, value in settings.items() if _is_relevant(key, settings)}


def _is_relevant(key: str, settings: Settings) -> bool:
    if settings.get("train.runtime.early_stop_patience") and _EARLY_STOPPING.fullmatch(key):
        return True  # it decides when the run ends
    if _BOOKKEEPING.fullmatch(key):
        return False
    other, values = _READ_IF.get(key, ("", set[str]()))
    return not other or settings.get(other) in values


def read_settings(folder: Path) -> dict[str, object]:
    """Read the settings of a run from its ``config.toml``; empty if it cannot be read."""
    try:
        return dict(flat(tomllib.loads(read_regular(folder / "config.toml").decode())))
    except (OSError, ValueError, RecursionError):
        return {}


def flat(table: Settings, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Iterate over the leaves of nested tables by dotted key."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(cast("dict[str, object]", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def differing(runs: list[dict[str, object]]) -> list[str]:
    """Return the keys whose values are not the same in all runs, in the order of the files."""
    keys = list(dict.fromkeys(key for settings in runs for key in settings))
    return [key for key in keys if any(settings.get(key) != runs[0].get(key) for settings in runs)]


def show_params(params: Settings) -> str:
    """Format values, such as ``batch_size=8 learning_rate=0.0031``."""
    return " ".join(f"{key.rpartition('.')[2]}={show(value)}" for key, value in params.items())


def show(value: object) -> str:
    """Format a value; floats get four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
