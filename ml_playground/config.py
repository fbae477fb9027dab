"""The schema of an experiment: one dataclass per TOML table.

A string under a field says what it means, its unit, and its special values. Ranges are part of the field, so that
one check serves every table. Fields without a default must be set by the experiment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from omegaconf import MISSING, SI

from ml_playground.ranges import SettingError, bounded, check_ranges


class TokenizerKind(Enum):
    """How text becomes tokens."""

    char = "char"
    """One token a character."""
    char_ngram = "char_ngram"
    """Up to ``ngram`` characters a token."""
    tiktoken = "tiktoken"
    """The vocabulary of GPT-2 or another of OpenAI's models, see ``encoding``."""
    bpe = "bpe"
    """Byte pair encoding learned from the text, with ``vocab_size`` tokens."""


class OnBadFile(Enum):
    """What a file that cannot be read does among many; skipped ones are named and counted."""

    stop = "stop"
    skip = "skip"


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


class Family(Enum):
    """Architecture of the model."""

    gpt = "gpt"
    """GPT-2's: learned positions, layer norms, GELU. Checkpoints of nanoGPT are of this family."""
    qwen3 = "qwen3"
    """Qwen3's: rotary positions, RMSNorm, normalised queries and keys, SwiGLU. Runs elsewhere without custom code."""


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
class LayoutConfig:
    """``[prepare.layout]``: what is written of a plenary protocol besides what is said."""

    speakers: bool = True
    """The line that names the speaker."""
    parties: bool = True
    """The party in brackets after the name; offices belong to the name and stay."""
    interjections: bool = True
    """Applause, laughter and heckles, in brackets on lines of their own."""


@dataclass
class PrepareConfig:
    """``[prepare]``: source text to token files."""

    preparer: str = SI("${experiment}")
    """Name of the registered preparer; by default the experiment's own name."""
    input: Path | None = None
    """Source text. Unset: the preparer's own source. For plenary debates also a protocol, or a folder of both."""
    sessions: list[str] = field(default_factory=list[str])
    """Sittings of the Bundestag to download, by term and number: ``["20/1", "21/3-7"]``. They alone are the source
    then, and ``input`` is the folder that they are kept in."""
    url: str | None = None
    """Where a preparer that downloads its text finds it; it does so once, to ``input``.
    For ``sessions`` it has ``{term}``, in two digits, and ``{session}``, in three."""
    request_interval: float = bounded(1.0, ge=0)
    """Seconds at least between two requests for ``sessions``."""
    sha256: str | None = None
    """Hex digest that a downloaded text must have. Unset: none is asked for."""
    on_bad_file: OnBadFile = OnBadFile.stop
    """What a file that cannot be read does among many."""
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    dataset_dir: Path | None = None
    """Folder of the token files. Unset: ``outputs/data/<preparer>-<fingerprint>``."""
    tokenizer: TokenizerKind = TokenizerKind.char
    ngram: int = bounded(2, ge=1, le=8)
    """Longest token of ``char_ngram``, in characters."""
    encoding: str = "gpt2"
    """Name of the encoding of ``tiktoken``. Its files are fetched once, or found in $TIKTOKEN_CACHE_DIR."""
    vocab_size: int = bounded(4096, ge=257, le=1_000_000)
    """Tokens of ``bpe``; 256 of them are the bytes, and one ends a text."""
    val_fraction: float = bounded(0.1, gt=0, lt=1)
    """Share of the text that is kept for validation: whole documents drawn at random, or the end of a single one."""
    split_seed: int = bounded(1337, ge=0, lt=2**63)
    """Decides which documents those are."""


@dataclass
class ModelConfig:
    """``[train.model]``: the shape of the network."""

    family: Family = Family.gpt
    n_layer: int = bounded(MISSING, ge=1)
    n_head: int = bounded(MISSING, ge=1)
    n_kv_head: int | None = bounded(None, ge=1)
    """qwen3: heads of keys and values, a divisor of ``n_head``. Unset: ``n_head``."""
    n_embd: int = bounded(MISSING, ge=1)
    """Width of the residual stream; a multiple of ``n_head``."""
    n_inner: int | None = bounded(None, ge=1)
    """qwen3: width inside the MLP, which in gpt is 4 times ``n_embd``. Unset: 8/3 of it, up to a multiple of 32."""
    block_size: int = bounded(SI("${train.data.block_size}"), ge=1)
    """Longest context in tokens that the model has positions for."""
    dropout: float = bounded(0.0, ge=0, lt=1)
    bias: bool = False
    """gpt: bias in linear layers and layer norms, as GPT-2 has it."""


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
    """``stop`` ends the run with its last checkpoint kept; ``skip`` goes on with the next batch, and counts."""
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
    """Decay of the averaged weights, which evaluation and sampling then use; 0 is off."""


@dataclass
class TrainConfig:
    """``[train]``."""

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    runtime: TrainRuntimeConfig = field(default_factory=TrainRuntimeConfig)


@dataclass
class SampleRuntimeConfig:
    """``[sample.runtime]``: which run to sample from, and where."""

    out_dir: Path = SI("${train.runtime.out_dir}")
    """Run folder whose checkpoint is used."""
    seed: int = bounded(1337, ge=0, lt=2**63)
    device: Device = SI("${train.runtime.device}")
    dtype: Dtype = SI("${train.runtime.dtype}")


@dataclass
class SamplingConfig:
    """``[sample.sample]``: what to write."""

    start: str = "\n"
    """Prompt."""
    num_samples: int = bounded(1, ge=1)
    max_new_tokens: int = bounded(500, ge=1)
    temperature: float = bounded(0.8, ge=0)
    """0 always takes the likeliest token."""
    top_k: int = bounded(0, ge=0)
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float = bounded(1.0, gt=0, le=1)
    """Keep the likeliest tokens that together have this probability; 1 keeps all."""
    min_p: float = bounded(0.0, ge=0, le=1)
    """Keep the tokens that are at least this fraction as likely as the likeliest; 0 keeps all."""
    repetition_penalty: float = bounded(1.0, gt=0)
    """Makes tokens less likely that the prompt or the sample has already; 1 does not, 1.1 to 1.3 is usual."""
    stop: list[str] = field(default_factory=list[str])
    """A sample ends before the first of these strings."""


@dataclass
class SampleConfig:
    """``[sample]``."""

    runtime: SampleRuntimeConfig = field(default_factory=SampleRuntimeConfig)
    sample: SamplingConfig = field(default_factory=SamplingConfig)


@dataclass
class ExperimentConfig:
    """One experiment, whole."""

    experiment: str = MISSING
    """Name, from the command line; files cannot set it."""
    description: str = ""
    """One line for listings."""
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)

    def __post_init__(self) -> None:
        # Here and not in the tables: OmegaConf also builds those to read their defaults, before values are known.
        check_ranges(self)
        model, data, optim, schedule = self.train.model, self.train.data, self.train.optim, self.train.schedule
        _check_model(model)
        _check_stop(self.sample.sample.stop)
        if data.block_size > model.block_size:
            raise SettingError(
                ("train.data.block_size", "train.model.block_size"),
                f"block_size = {data.block_size} is longer than train.model.block_size = {model.block_size}",
            )
        eval_block_size = self.train.runtime.eval_block_size
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


def _check_stop(stop: list[str]) -> None:
    if "" in stop:
        raise SettingError(("sample.sample.stop",), "an empty string would stop every sample at once; remove it")


def _check_model(model: ModelConfig) -> None:
    if model.n_embd % model.n_head:
        raise SettingError(
            ("train.model.n_embd", "train.model.n_head"),
            f"n_embd = {model.n_embd} must be a multiple of train.model.n_head = {model.n_head}",
        )
    if model.family is Family.gpt:
        for name, value in {"n_kv_head": model.n_kv_head, "n_inner": model.n_inner}.items():
            if value is not None:
                raise SettingError((f"train.model.{name}",), f'is read by family = "qwen3" only; remove {name}')
        return
    if model.bias:
        raise SettingError(("train.model.bias",), 'family = "qwen3" has no biases; remove bias, or use "gpt"')
    if model.n_kv_head and model.n_head % model.n_kv_head:
        raise SettingError(
            ("train.model.n_kv_head", "train.model.n_head"),
            f"n_kv_head = {model.n_kv_head} must divide train.model.n_head = {model.n_head}",
        )
    if model.n_embd // model.n_head % 2:
        raise SettingError(
            ("train.model.n_embd", "train.model.n_head"),
            f"n_embd / train.model.n_head = {model.n_embd // model.n_head} must be even: qwen3 turns pairs by position",
        )
