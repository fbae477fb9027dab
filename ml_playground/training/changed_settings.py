"""Handling of settings that have changed since the checkpoint that a run resumes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

Settings = Mapping[str, object]
"""Values by dotted key, as stored in checkpoints; unset ones are absent."""


class Rule(Enum):
    """Which of two values takes precedence; the value of each member is shown to the user."""

    free = "the file's"
    checkpoint = "the checkpoint's"
    refused = "neither"


def _rules(table: str, rule: Rule, names: str) -> dict[str, Rule]:
    return {f"train.{table}.{name}": rule for name in names.split()}


RULES = {
    **_rules("data", Rule.free, "batch_size block_size grad_accum_steps sampler packing"),
    # The state of one optimizer is meaningless to another.
    **_rules("optim", Rule.refused, "optimizer"),
    **_rules("optim", Rule.free, "learning_rate muon_learning_rate muon_momentum weight_decay beta1 beta2 grad_clip"),
    **_rules("schedule", Rule.free, "decay warmup_iters lr_decay_iters decay_fraction min_lr"),
    **_rules(
        "runtime",
        Rule.free,
        "out_dir seed seeds seed_workers device dtype threads workers compile max_iters eval_interval eval_iters"
        " eval_batch_size eval_block_size eval_only log_interval sample_tokens always_save_checkpoint on_nonfinite"
        " ckpt_metric ckpt_greater_is_better ckpt_top_k ckpt_stable ckpt_time_interval_minutes"
        " best_smoothing_alpha early_stop_patience ema_decay",
    ),
}
"""Rule of every setting of ``[train]`` except the model's: those are tensor shapes and training-time constants, so the
checkpoint's values apply. Other data is rejected by its fingerprint; ``[sample]`` is read when sampling."""


@dataclass(frozen=True)
class Change:
    """A setting whose value has changed."""

    key: str
    before: object
    now: object
    rule: Rule


def changed_settings(before: Settings, now: Settings) -> list[Change]:
    """Return the settings whose values differ; an unset value is None."""
    model = dict.fromkeys((key for key in {**before, **now} if key.startswith("train.model.")), Rule.checkpoint)
    pairs = ((key, before.get(key), now.get(key), rule) for key, rule in {**model, **RULES}.items())
    return [Change(key, old, new, rule) for key, old, new, rule in pairs if old != new]


def best_criterion(settings: Settings) -> tuple[object, ...]:
    """Return what defines the best checkpoint and the evaluated text; metrics are comparable only if it is equal."""
    runtime = {key.removeprefix("train.runtime."): value for key, value in settings.items()}
    limit = runtime.get("eval_iters")
    return (
        *(runtime.get(name) for name in ("ckpt_metric", "ckpt_greater_is_better", "best_smoothing_alpha")),
        runtime.get("eval_block_size") or settings.get("train.data.block_size"),
        limit,
        # An evaluation of the whole split covers the same text with any batch size.
        (runtime.get("eval_batch_size") or settings.get("train.data.batch_size")) if limit else None,
    )
