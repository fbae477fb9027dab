"""``[train]`` except for the model: data, optimizer, schedule and runtime settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from omegaconf import MISSING, SI

from ml_playground.models.config import ModelConfig
from ml_playground.ranges import SettingError, bounded


class Device(Enum):
    """Device for tensors. ``auto`` is MPS if available, otherwise the CPU; CUDA must be requested explicitly."""

    auto = "auto"
    cpu = "cpu"
    mps = "mps"
    cuda = "cuda"


class Dtype(Enum):
    """Data type of matrix multiplications; parameters stay in float32.

    ``auto`` is bfloat16 if the processor supports it in hardware, otherwise float32.
    """

    auto = "auto"
    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


class Compile(Enum):
    """Whether to use ``torch.compile``; ``auto`` compiles only long runs, for which it pays off."""

    auto = "auto"
    on = "on"
    off = "off"


class OptimizerKind(Enum):
    """Optimizer that updates the weights."""

    adamw = "adamw"
    """AdamW for all parameters."""
    muon = "muon"
    """Muon for hidden weight matrices, AdamW for embeddings, output head, norms and biases."""


class Decay(Enum):
    """Shape of the learning rate schedule after warm-up."""

    cosine = "cosine"
    linear = "linear"
    wsd = "wsd"
    """Warmup-stable-decay: constant, then linear decay over the last ``decay_fraction``."""
    constant = "constant"


class OnNonfinite(Enum):
    """How to handle an infinite or NaN loss or gradient; the weights are never updated with it."""

    stop = "stop"
    skip = "skip"


class Sampler(Enum):
    """How the windows of a training batch are sampled.

    ``random`` draws them with replacement, at any position. ``shuffled`` uses adjacent windows and visits each once
    per epoch, in an order and from an offset that change every epoch.
    """

    random = "random"
    shuffled = "shuffled"


class Metric(Enum):
    """Metric that defines the best checkpoint; ``train_loss`` is the mean since the previous evaluation."""

    val_loss = "val_loss"
    train_loss = "train_loss"


@dataclass
class DataConfig:
    """``[train.data]``: batches of an optimizer update."""

    batch_size: int = bounded(MISSING, ge=1)
    """Windows per forward pass."""
    block_size: int = bounded(MISSING, ge=1)
    """Tokens per window."""
    grad_accum_steps: int = bounded(1, ge=1)
    """Forward passes per update; an update uses batch_size * block_size * grad_accum_steps tokens."""
    sampler: Sampler = Sampler.random
    packing: bool = True
    """Put several examples of instruction data into a window, without mixing them; otherwise one each, padded."""


@dataclass
class OptimConfig:
    """``[train.optim]``: the optimizer."""

    optimizer: OptimizerKind = OptimizerKind.adamw
    learning_rate: float = bounded(1e-3, gt=0)
    """Peak learning rate of the schedule, for parameters updated by AdamW."""
    muon_learning_rate: float = bounded(0.02, gt=0)
    """Peak learning rate of the parameters updated by Muon; follows the same schedule."""
    muon_momentum: float = bounded(0.95, ge=0, lt=1)
    weight_decay: float = bounded(0.1, ge=0)
    """Applies to matrices only."""
    beta1: float = bounded(0.9, ge=0, lt=1)
    beta2: float = bounded(0.99, ge=0, lt=1)
    grad_clip: float = bounded(1.0, ge=0)
    """Maximum global gradient norm; 0 disables gradient clipping."""


@dataclass
class ScheduleConfig:
    """``[train.schedule]``: learning rate schedule."""

    decay: Decay = Decay.cosine
    warmup_iters: int = bounded(0, ge=0)
    """Steps of linear warm-up."""
    lr_decay_iters: int = bounded(SI("${train.runtime.max_iters}"), ge=1)
    """Step at which the decay ends."""
    decay_fraction: float = bounded(0.2, gt=0, le=1)
    """Fraction of ``lr_decay_iters``, at its end, over which ``wsd`` decays."""
    min_lr: float = bounded(0.0, ge=0)
    """Learning rate at the end of the decay."""


@dataclass
class TrainRuntimeConfig:
    """``[train.runtime]``: duration, device, evaluation and checkpoints."""

    out_dir: Path = SI("outputs/${experiment}")
    """The run folder."""
    seed: int = bounded(1337, ge=0, lt=2**63)
    seeds: list[int] = field(default_factory=list[int])
    """Train one run with each of these seeds, in ``seed-1``, ``seed-2``, ... below ``out_dir``, to know how much chance
    decides. Sampling uses the best of them. If empty, there is one run, with ``seed``."""
    seed_workers: int = bounded(0, ge=0, le=256)
    """Number of seeds that are trained at a time, by processes that share the cores. 0 chooses: as many as there are
    cores, or fewer if ``threads`` is set or memory is short; one on an accelerator."""
    device: Device = Device.auto
    dtype: Dtype = Dtype.auto
    threads: int = bounded(0, ge=0)
    """CPU threads; 0 uses one per core available to the process."""
    workers: int = bounded(0, ge=0, le=256)
    """Processes that share the threads, and the rows of each update: on CPUs, the threads of small models wait for one
    another. 0 chooses by model, batch and threads. The same number gives the same bits."""
    compile: Compile = Compile.auto
    max_iters: int = bounded(MISSING, ge=1)
    """Total number of optimizer updates in the run."""
    eval_interval: int = bounded(250, ge=1)
    """Steps between evaluations; each one writes ``ckpt_last.pt``."""
    eval_iters: int = bounded(0, ge=0)
    """Batches per evaluation, evenly spaced over the split; 0 is the whole validation split."""
    eval_batch_size: int | None = bounded(None, ge=1)
    """Windows per evaluation batch. Defaults to the training value."""
    eval_block_size: int | None = bounded(None, ge=1)
    """Tokens per evaluation window, to compare runs trained with different ones. Defaults to the training value."""
    eval_only: bool = False
    """Evaluate the checkpoint, or the newly initialized model, and exit without writing anything."""
    log_interval: int = bounded(10, ge=1)
    """Steps between logged training losses."""
    sample_tokens: int = bounded(64, ge=0, le=1_000_000)
    """Tokens of the text that is sampled at each evaluation, as ``[sample]`` says; 0 samples none."""
    always_save_checkpoint: bool = False
    """Write ``ckpt_best.pt`` at every evaluation, not only on improvement."""
    on_nonfinite: OnNonfinite = OnNonfinite.stop
    """``stop`` ends the run and keeps its last checkpoint; ``skip`` counts the update and continues."""
    ckpt_metric: Metric = Metric.val_loss
    """Metric that defines the best checkpoint."""
    ckpt_greater_is_better: bool = False
    ckpt_top_k: int = bounded(0, ge=0)
    """Also keep the best k checkpoints of the run as ``ckpt_step<N>.pt``; 0 keeps none."""
    ckpt_stable: bool = False
    """Also keep the checkpoints at the start of the decay of ``wsd``, or at the end of ``constant``, in ``stable/``: a
    longer run that resumes from them equals one that was started with its length."""
    ckpt_time_interval_minutes: float = bounded(0.0, ge=0)
    """Also save ``ckpt_last.pt`` when this many minutes have passed since the last save; 0 disables this."""
    best_smoothing_alpha: float = bounded(0.0, ge=0, lt=1)
    """Weight of past values in the moving average that defines the best; 0 disables smoothing."""
    early_stop_patience: int = bounded(0, ge=0)
    """Stop after this many evaluations without a better one; 0 never stops early."""
    ema_decay: float = bounded(0.0, ge=0, lt=1)
    """Decay of the EMA weights, which evaluation and sampling use if enabled; 0 disables them."""


@dataclass
class TrainConfig:
    """``[train]``."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    runtime: TrainRuntimeConfig = field(default_factory=TrainRuntimeConfig)


def check_train(train: TrainConfig) -> None:
    """Check training settings against each other.

    Raises:
        SettingError: If settings contradict each other.
    """
    model, data, optim, schedule = train.model, train.data, train.optim, train.schedule
    model.check()
    seeds = train.runtime.seeds
    if len(set(seeds)) < len(seeds) or any(not 0 <= seed < 2**63 for seed in seeds):
        raise SettingError(
            ("train.runtime.seeds",), f"{seeds}: must be different numbers of at least 0 and below 2**63"
        )
    workers = train.runtime.workers
    if workers > data.batch_size:
        raise SettingError(
            ("train.runtime.workers", "train.data.batch_size"),
            f"{workers} workers are more than the {data.batch_size} rows of train.data.batch_size",
        )
    if workers > 1 and train.runtime.compile is Compile.on:
        raise SettingError(
            ("train.runtime.workers", "train.runtime.compile"),
            f'{workers} workers do not compile the model; use 1, or train.runtime.compile = "off"',
        )
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
