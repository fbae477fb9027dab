"""Comparable trials: the same number of training tokens, evaluated on the same text with the same context length.

A budget in iterations would be unfair: a trial with twice the batch size would see twice the tokens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ml_playground.composition.load import Composition
from ml_playground.config import ExperimentConfig
from ml_playground.ranges import SettingError
from ml_playground.sweeping.config import LrScaling, SweepConfig
from ml_playground.sweeping.leaves import Params, Range
from ml_playground.sweeping.space import Space
from ml_playground.training.config import Compile
from ml_playground.training.schedule import stable_steps

UPDATE_KEYS = ("train.data.batch_size", "train.data.block_size", "train.data.grad_accum_steps")
"""Settings whose product is the number of tokens per update."""
_SCALED = {"train.optim.learning_rate", "train.optim.muon_learning_rate"}
_EXPONENTS = {LrScaling.none: 0.0, LrScaling.sqrt: 0.5, LrScaling.linear: 1.0}


@dataclass(frozen=True)
class Budget:
    """Budget of all trials of a sweep."""

    base: ExperimentConfig
    """The unmodified experiment."""
    tokens: int
    """Training tokens per trial."""
    eval_tokens: int
    """Training tokens between evaluations."""
    eval_block_size: int
    """Context length in tokens of evaluations."""
    lr_scaling: LrScaling
    extended: bool = False
    """Whether the best trials are extended: all keep the state from which they can be."""

    def settings(self, composition: Composition, params: Params, out_dir: Path) -> ExperimentConfig:
        """Return the experiment with these values, and with length, schedule and evaluation adapted to the budget.

        Raises:
            SettingError: If the values contradict each other, or one update exceeds the budget.
        """
        trial = composition.replace(params)
        update = math.prod(cast("int", trial.get(key)) for key in UPDATE_KEYS)
        if update > self.tokens:
            raise SettingError(
                UPDATE_KEYS, f"one update sees {update:,} tokens, more than the {self.tokens:,} of the whole trial"
            )
        max_iters = round(self.tokens / update)
        runtime = self.base.train.runtime
        fitted: dict[str, object] = {
            "train.runtime.out_dir": out_dir,
            "sample.runtime.out_dir": out_dir,
            "train.runtime.seeds": [],
            "train.runtime.max_iters": max_iters,
            "train.runtime.eval_interval": min(max_iters, max(1, round(self.eval_tokens / update))),
            "train.runtime.eval_batch_size": runtime.eval_batch_size or self.base.train.data.batch_size,
            "train.runtime.eval_block_size": self.eval_block_size,
            **self._schedule(max_iters / runtime.max_iters),
            **(self._extensible() if self.extended else {}),
            **self._rates(trial, update),
        }
        # Searched values are not overridden, except that peak learning rates are still scaled.
        kept = {key: value for key, value in fitted.items() if key not in params or key in _SCALED}
        return trial.replace(kept).resolve()

    @property
    def stable_tokens(self) -> int:
        """Tokens of the experiment's own trial before its decay, which an extension does not repeat."""
        train = self.base.train
        stable = stable_steps(train.schedule, train.runtime.max_iters) / train.runtime.max_iters
        return min(self.tokens, round(stable * self.tokens))

    def place(self, tokens: int) -> int:
        """Round tokens to the nearest multiple of ``eval_tokens``, so that trials are compared at the same steps."""
        return round(tokens / self.eval_tokens) * self.eval_tokens

    def _schedule(self, stretch: float) -> dict[str, object]:
        schedule = self.base.train.schedule
        return {
            "train.schedule.warmup_iters": round(schedule.warmup_iters * stretch),
            "train.schedule.lr_decay_iters": max(1, round(schedule.lr_decay_iters * stretch)),
        }

    def _extensible(self) -> dict[str, object]:
        # Whether compilation and several workers pay depends on the length of the run, and so would its bits.
        runtime = self.base.train.runtime
        compiled = runtime.compile
        return {
            "train.runtime.ckpt_stable": True,
            "train.runtime.compile": (Compile.off if compiled is Compile.auto else compiled).name,
            "train.runtime.workers": runtime.workers or 1,
        }

    def _rates(self, trial: Composition, update: int) -> dict[str, object]:
        base = self.base.train.optim.learning_rate
        scale = (update / tokens_per_update(self.base)) ** _EXPONENTS[self.lr_scaling]
        rate = cast("float", trial.get("train.optim.learning_rate")) * scale
        return {
            "train.optim.learning_rate": rate,
            "train.optim.muon_learning_rate": cast("float", trial.get("train.optim.muon_learning_rate")) * scale,
            # The minimum stays proportional to the peak.
            "train.schedule.min_lr": self.base.train.schedule.min_lr * rate / base,
        }


def tokens_per_update(config: ExperimentConfig) -> int:
    """Return the number of tokens per optimizer update."""
    data = config.train.data
    return data.batch_size * data.block_size * data.grad_accum_steps


def plan_budget(base: ExperimentConfig, config: SweepConfig, space: Space) -> Budget:
    """Return the budget defined by a sweep file.

    Raises:
        SettingError: If it is too small for one evaluation, or its context is too long for a trial.
    """
    runtime, update = base.train.runtime, tokens_per_update(base)
    tokens = config.tokens or runtime.max_iters * update
    eval_tokens = config.eval_tokens or runtime.eval_interval * update
    if eval_tokens > tokens:
        keys = ("eval_tokens", "tokens") if config.eval_tokens else ("tokens", "eval_tokens")
        raise SettingError(
            keys, f"a trial of {tokens:,} tokens ends before its first evaluation, after {eval_tokens:,} (eval_tokens)"
        )
    shortest = _shortest_block(base, space)
    if config.baseline or "train.data.block_size" in space.conditions:
        shortest = min(shortest, base.train.data.block_size)
    eval_block_size = config.eval_block_size or min(shortest, runtime.eval_block_size or shortest)
    if eval_block_size > shortest:
        raise SettingError(
            ("eval_block_size",),
            f"{eval_block_size} is longer than the context that some trials train with, {shortest}",
        )
    return Budget(base, tokens, eval_tokens, eval_block_size, config.lr_scaling, bool(config.extend))


def _shortest_block(base: ExperimentConfig, space: Space) -> int:
    leaf = space.leaves.get("train.data.block_size")
    if leaf is None:
        return base.train.data.block_size
    return int(leaf.low if isinstance(leaf, Range) else min(cast("list[int]", leaf.values)))
