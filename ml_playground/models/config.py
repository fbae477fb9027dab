"""``[train.model]``: the architecture of the model, with one config class per model family.

The config classes of the built-in families are defined here and not next to their models, so that a config can be
validated without importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from pathlib import Path
from typing import Self

from omegaconf import MISSING, SI

from ml_playground.ranges import SettingError, bounded

ModelArgs = dict[str, int | float | bool | str]
"""Arguments to rebuild a model: its family, the settings of that family, and ``vocab_size``."""
DEFAULT_FAMILY = "gpt"
"""Family of experiments and checkpoints that do not name one, such as nanoGPT's checkpoints."""


@dataclass
class ModelConfig:
    """Settings common to all families. The config of each family is a subclass."""

    family: str = DEFAULT_FAMILY
    """Architecture of the model: ``gpt``, ``qwen3``, or one that another package registers."""
    block_size: int = bounded(SI("${train.data.block_size}"), ge=1)
    """Maximum context length in tokens."""

    def args(self, vocab_size: int) -> ModelArgs:
        """Return the model arguments to save in a checkpoint."""
        return {**{one.name: getattr(self, one.name) for one in fields(self)}, "vocab_size": vocab_size}

    @classmethod
    def from_args(cls, args: ModelArgs) -> Self:
        """Return the config for arguments; missing optional settings get their defaults.

        Raises:
            TypeError: If a required argument is missing.
        """
        missing = [one.name for one in fields(cls) if one.default is MISSING and one.name not in args]
        if missing:
            raise TypeError(f"{missing[0]} is missing")
        return cls(**{one.name: args[one.name] for one in fields(cls) if one.name in args})  # type: ignore[arg-type]  # untyped field values

    def check(self) -> None:
        """Check the settings against each other.

        Raises:
            SettingError: If settings contradict each other.
        """


@dataclass
class DecoderConfig(ModelConfig):
    """Settings shared by ``gpt`` and ``qwen3``."""

    n_layer: int = bounded(MISSING, ge=1)
    n_head: int = bounded(MISSING, ge=1)
    n_embd: int = bounded(MISSING, ge=1)
    """Width of the residual stream; a multiple of ``n_head``."""
    dropout: float = bounded(0.0, ge=0, lt=1)
    init_from: Path | None = None
    """Weights that a new run starts with: a Hugging Face folder of the same architecture, a run folder, or a
    checkpoint, also nanoGPT's. Unset: random ones."""

    def args(self, vocab_size: int) -> ModelArgs:
        args = super().args(vocab_size)
        del args["init_from"]  # what the weights were, once they are trained, is of no use
        return args

    def check(self) -> None:
        if self.n_embd % self.n_head:
            raise SettingError(
                ("train.model.n_embd", "train.model.n_head"),
                f"n_embd = {self.n_embd} must be a multiple of train.model.n_head = {self.n_head}",
            )


class Activation(Enum):
    """Form of GELU."""

    gelu = "gelu"
    """By its definition, as in nanoGPT."""
    gelu_tanh = "gelu_tanh"
    """By its approximation with tanh, as in GPT-2, and in llama.cpp, which has no other."""


@dataclass
class GPTConfig(DecoderConfig):
    """``family = "gpt"``: GPT-2 with learned positions, LayerNorm and GELU. Compatible with nanoGPT checkpoints."""

    bias: bool = False
    """Use biases in linear layers and layer norms, as in GPT-2."""
    norm_eps: float = bounded(1e-5, gt=0)
    """Epsilon added to the variance in layer norms."""
    activation: Activation = Activation.gelu_tanh
    """Form of GELU: ``gelu_tanh``, which all programs compute, or ``gelu``, nanoGPT's."""

    def args(self, vocab_size: int) -> ModelArgs:
        return {**super().args(vocab_size), "activation": self.activation.name}

    @classmethod
    def from_args(cls, args: ModelArgs) -> Self:
        config = super().from_args(args)
        # nanoGPT's checkpoints, and those before there was a choice, name none.
        config.activation = Activation[str(args.get("activation", Activation.gelu.name))]
        return config


@dataclass
class Qwen3Config(DecoderConfig):
    """``family = "qwen3"``: rotary position embeddings, RMSNorm, QK-Norm, SwiGLU.

    These models run in other programs without custom code.
    """

    family: str = "qwen3"
    n_kv_head: int | None = bounded(None, ge=1)
    """Number of key-value heads, a divisor of ``n_head``. Defaults to ``n_head``."""
    n_inner: int | None = bounded(None, ge=1)
    """Hidden width of the MLP. Defaults to 8/3 of ``n_embd``, rounded up to a multiple of 32."""
    rope_theta: float = bounded(10_000.0, gt=0)
    """Base of the rotary position embeddings: the longest wavelength in tokens, divided by 2 pi."""
    norm_eps: float = bounded(1e-6, gt=0)
    """Epsilon added to the mean square in RMSNorm."""

    def args(self, vocab_size: int) -> ModelArgs:
        unset = {"n_kv_head": self.n_kv_head or self.n_head, "n_inner": self.n_inner or _default_inner(self.n_embd)}
        return {**super().args(vocab_size), **unset}

    def check(self) -> None:
        super().check()
        if self.n_kv_head and self.n_head % self.n_kv_head:
            raise SettingError(
                ("train.model.n_kv_head", "train.model.n_head"),
                f"n_kv_head = {self.n_kv_head} must divide train.model.n_head = {self.n_head}",
            )
        if self.n_embd // self.n_head % 2:
            raise SettingError(
                ("train.model.n_embd", "train.model.n_head"),
                f"n_embd / train.model.n_head = {self.n_embd // self.n_head} must be even: qwen3 rotates pairs by"
                " position",
            )


class Method(Enum):
    """Which weights finetuning trains."""

    lora = "lora"
    """Low-rank adapters (Hu et al., 2021) beside frozen matrices."""
    full = "full"
    """All of them."""


@dataclass
class PeftConfig:
    """``[train.model.peft]``: which weights are trained."""

    method: Method = Method.lora
    r: int = bounded(8, ge=1)
    """Rank of the adapters."""
    alpha: float = bounded(16.0, gt=0)
    """Scale of the adapters, which is ``alpha / r``, or ``alpha / sqrt(r)`` with ``use_rslora``."""
    dropout: float = bounded(0.0, ge=0, lt=1)
    """Of the adapters' inputs."""
    target_modules: list[str] = field(default_factory=lambda: ["all-linear"])
    """Names of the linear layers with adapters; ``["all-linear"]`` is all but the head."""
    use_rslora: bool = False
    """Rank-stabilized LoRA (Kalajdzievski, 2023)."""
    use_dora: bool = False
    """Weight-decomposed LoRA (Liu et al., 2024)."""


@dataclass
class HuggingFaceConfig(ModelConfig):
    """``family = "hf"``: a pretrained model of transformers, to be finetuned."""

    family: str = "hf"
    path: Path = MISSING
    """Folder that ``save_pretrained`` wrote, or a name on the hub such as ``Qwen/Qwen3-0.6B-Base``."""
    revision: str = "main"
    """Branch, tag or commit on the hub."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass, which takes less memory and more time."""
    peft: PeftConfig = field(default_factory=PeftConfig)

    def args(self, vocab_size: int) -> ModelArgs:
        own: ModelArgs = {"family": self.family, "path": str(self.path), "block_size": self.block_size}
        peft: ModelArgs = {
            f"peft.{name}": value for name, value in vars(self.peft).items() if isinstance(value, (int, float))
        }
        peft |= {"peft.method": self.peft.method.name, "peft.target_modules": ",".join(self.peft.target_modules)}
        rest: ModelArgs = {"revision": self.revision, "gradient_checkpointing": self.gradient_checkpointing}
        return {**own, **rest, **peft, "vocab_size": vocab_size}

    @classmethod
    def from_args(cls, args: ModelArgs) -> Self:
        peft = {name.removeprefix("peft."): value for name, value in args.items() if name.startswith("peft.")}
        method, modules = Method[str(peft.pop("method"))], str(peft.pop("target_modules")).split(",")
        config = super().from_args({**args, "path": str(args["path"])})
        config.path = Path(config.path)
        config.peft = PeftConfig(method=method, target_modules=modules, **peft)  # type: ignore[arg-type]  # untyped values
        return config


CONFIGS: dict[str, type[ModelConfig]] = {"gpt": GPTConfig, "qwen3": Qwen3Config, "hf": HuggingFaceConfig}
"""Config classes of the built-in families."""


def config_class(family: str) -> type[ModelConfig]:
    """Return the config class of a family.

    Raises:
        UserError: If no family has that name.
    """
    if family in CONFIGS:
        return CONFIGS[family]
    # Imported lazily because it imports torch.
    from ml_playground.models.registry import families

    return families.get(family).config


def config_from(args: ModelArgs) -> ModelConfig:
    """Return the config for model arguments from a checkpoint; missing optional settings get their defaults.

    Raises:
        UserError: If no family has that name.
        TypeError: If a required argument is missing.
    """
    args = {"family": DEFAULT_FAMILY, **args}
    return config_class(str(args["family"])).from_args(args)


def _default_inner(n_embd: int) -> int:
    """Return 8/3 of the width, rounded up to a multiple of 32, so that SwiGLU is the size of a plain 4x MLP."""
    return -(-8 * n_embd // 96) * 32
