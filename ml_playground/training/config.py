"""``[train]``, but for the model: what an update sees, how weights change, how long, where, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from omegaconf import MISSING, SI

from ml_playground.models.config import ModelConfig
from ml_playground.ranges import SettingError, bounded


class Device(Enum):
    """Where tensors live. ``auto`` is MPS where there is one, else the CPU; CUDA is used when asked for."""

    auto = "auto"
    cpu = "cpu"
    mps = "mps"
    cuda = "cuda"


class Dtype(Enum):
    """Number format of the matrix products; parameters stay in float32.

    ``auto`` is bfloat16 where the processor multiplies it in hardware, else float32.
    """

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Compile(Enum):
    """Whether ``torch.compile`` works on the model; ``auto`` is on long runs only, on which it pays."""

    auto = "auto"
    on = "on"
    off = "off"


class OptimizerKind(Enum):
    """How gradients change the weights."""

    adamw = "adamw"
    """AdamW for all of them."""
    muon = "muon"
    """Muon for the matrices inside the model, AdamW for embeddings, head, norms and biases."""


class Decay(Enum):
    """Shape of the learning rate after warm-up."""

    cosine = "cosine"
    linear = "linear"
    wsd = "wsd"
    """Warm-up, stable, decay: constant, then linear over the last ``decay_fraction``."""
    constant = "constant"


class OnNonfinite(Enum):
    """What a loss or gradient that is infinite or not a number does; the weights are never updated with it."""

    stop = "stop"
    skip = "skip"


class Sampler(Enum):
    """Which windows of the training text a batch holds.

    ``random`` draws them with replacement, at any position. ``shuffled`` lays them side by side and takes each once an
    epoch, in an order and from an offset that change every epoch.
    """

    random = "random"
    shuffled = "shuffled"


class Metric(Enum):
    """What decides which checkpoint is best; ``train_loss`` is the mean since the evaluation before."""

    val_loss = "val_loss"
    train_loss = "train_loss"


@dataclass
class DataConfig:
    """``[train.data]``: what one optimizer update sees."""

    batch_size: int = bounded(MISSING, ge=1)
    """Windows per forward pass."""
    block_size: int = bounded(MISSING, ge=1)
    """Tokens per window."""
    grad_accum_steps: int = bounded(1, ge=1)
    """Forward passes per update; an update sees their product in tokens."""
    sampler: Sampler = Sampler.random


@dataclass
class OptimConfig:
    """``[train.optim]``: the optimizer."""

    optimizer: OptimizerKind = OptimizerKind.adamw
    learning_rate: float = bounded(1e-3, gt=0)
    """Highest learning rate of the schedule, for what AdamW updates."""
    muon_learning_rate: float = bounded(0.02, gt=0)
    """Highest learning rate of what Muon updates; follows the same schedule."""
    muon_momentum: float = bounded(0.95, ge=0, lt=1)
    weight_decay: float = bounded(0.1, ge=0)
    """Applies to matrices only."""
    beta1: float = bounded(0.9, ge=0, lt=1)
    beta2: float = bounded(0.99, ge=0, lt=1)
    grad_clip: float = bounded(1.0, ge=0)
    """Largest global gradient norm; 0 turns clipping off."""


@dataclass
class ScheduleConfig:
    """``[train.schedule]``: learning rate over steps."""

    decay: Decay = Decay.cosine
    warmup_iters: int = bounded(0, ge=0)
    """Steps of linear warm-up."""
    lr_decay_iters: int = bounded(SI("${train.runtime.max_iters}"), ge=1)
    """Step at which the decay ends."""
    decay_fraction: float = bounded(0.2, gt=0, le=1)
    """Share of ``lr_decay_iters``, at its end, in which ``wsd`` decays."""
    min_lr: float = bounded(0.0, ge=0)
    """Learning rate at the end of the decay."""


@dataclass
class TrainRuntimeConfig:
    """``[train.runtime]``: how long, where, and what is kept."""

    out_dir: Path = SI("outputs/${experiment}")
    """The run folder."""
    seed: int = bounded(1337, ge=0, lt=2**63)
    device: Device = Device.auto
    dtype: Dtype = Dtype.auto
    threads: int = bounded(0, ge=0)
    """Of the CPU; 0 takes as many as the process may use cores."""
    compile: Compile = Compile.auto
    max_iters: int = bounded(MISSING, ge=1)
    """Optimizer updates in the whole run."""
    eval_interval: int = bounded(250, ge=1)
    """Steps between evaluations; each one writes ``ckpt_last.pt``."""
    eval_iters: int = bounded(0, ge=0)
    """Batches per evaluation, evenly spaced over the split; 0 is the whole validation split."""
    eval_batch_size: int | None = bounded(None, ge=1)
    """Windows per batch of an evaluation. Unset: as in training."""
    eval_block_size: int | None = bounded(None, ge=1)
    """Tokens per window of an evaluation, to compare runs that train with others. Unset: as in training."""
    eval_only: bool = False
    """Evaluate the checkpoint, or the fresh model, and stop; nothing is written."""
    log_interval: int = bounded(10, ge=1)
    """Steps between logged training losses."""
    always_save_checkpoint: bool = False
    """Write ``ckpt_best.pt`` at every evaluation, not only at a better one."""
    on_nonfinite: OnNonfinite = OnNonfinite.stop
    """``stop`` ends the run with its last checkpoint kept; ``skip`` continues with the next batch, and counts."""
    ckpt_metric: Metric = Metric.val_loss
    """What decides which checkpoint is best."""
    ckpt_greater_is_better: bool = False
    ckpt_top_k: int = bounded(0, ge=0)
    """Keep the best k checkpoints of the run as ``ckpt_step<N>.pt`` too; 0 keeps none."""
    ckpt_time_interval_minutes: float = bounded(0.0, ge=0)
    """Save ``ckpt_last.pt`` also when this many minutes have passed since the last save; 0 is off."""
    best_smoothing_alpha: float = bounded(0.0, ge=0, lt=1)
    """Weight of the past in the exponential mean that decides what is best; 0 compares plain values."""
    early_stop_patience: int = bounded(0, ge=0)
    """Stop after this many evaluations without a better one; 0 never stops early."""
    ema_decay: float = bounded(0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which evaluation and sampling then use; 0 is off."""


@dataclass
class TrainConfig:
    """``[train]``."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    runtime: TrainRuntimeConfig = field(default_factory=TrainRuntimeConfig)


def check_train(train: TrainConfig) -> None:
    """Raises:
    SettingError: settings of training contradict each other.
    """
    model, data, optim, schedule = train.model, train.data, train.optim, train.schedule
    model.check()
    if data.block_size > model.block_size:
        raise SettingError(
            ("train.data.block_size", "train.model.block_size"),
            f"block_size = {data.block_size} is longer than train.model.block_size = {model.block_size}",
        )
    eval_block_size = train.runtime.eval_block_size
    if eval_block_size and eval_block_size > model.block_size:
        raise SettingError(
            ("train.runtime.eval_block_size", "train.model.block_size"),
            f"eval_block_size = {eval_block_size} is longer than train.model.block_size = {model.block_size}",
        )
    if schedule.min_lr > optim.learning_rate:
        raise SettingError(
            ("train.schedule.min_lr", "train.optim.learning_rate"),
            f"min_lr = {schedule.min_lr} is above train.optim.learning_rate = {optim.learning_rate}",
        )
    if schedule.warmup_iters > schedule.lr_decay_iters:
        raise SettingError(
            ("train.schedule.warmup_iters", "train.schedule.lr_decay_iters", "train.runtime.max_iters"),
            f"warmup_iters = {schedule.warmup_iters} is above train.schedule.lr_decay_iters"
            f" = {schedule.lr_decay_iters}",
        )
