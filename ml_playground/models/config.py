"""``[train.model]``: the shape of the network, one table for each model family.

The tables of the built-in families stand here and not beside their networks, so that a config is checked without
importing torch.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from omegaconf import MISSING, SI

from ml_playground.ranges import SettingError, bounded

ModelArgs = dict[str, int | float | bool | str]
"""What it takes to build a model again: its family, the settings of that family, and ``vocab_size``."""
DEFAULT_FAMILY = "gpt"
"""Of experiments and of checkpoints that name none; those of nanoGPT do not."""


@dataclass
class ModelConfig:
    """What all families have. A family's own table is a subclass."""

    family: str = DEFAULT_FAMILY
    """Architecture of the model: ``gpt``, ``qwen3``, or one that another package registers."""
    block_size: int = bounded(SI("${train.data.block_size}"), ge=1)
    """Longest context in tokens that the model has positions for."""

    def args(self, vocab_size: int) -> ModelArgs:
        """What a checkpoint says about a model of these settings."""
        return {**{field.name: getattr(self, field.name) for field in fields(self)}, "vocab_size": vocab_size}

    def check(self) -> None:
        """Raises:
        SettingError: settings contradict each other.
        """


@dataclass
class DecoderConfig(ModelConfig):
    """What ``gpt`` and ``qwen3`` share."""

    n_layer: int = bounded(MISSING, ge=1)
    n_head: int = bounded(MISSING, ge=1)
    n_embd: int = bounded(MISSING, ge=1)
    """Width of the residual stream; a multiple of ``n_head``."""
    dropout: float = bounded(0.0, ge=0, lt=1)

    def check(self) -> None:
        if self.n_embd % self.n_head:
            raise SettingError(
                ("train.model.n_embd", "train.model.n_head"),
                f"n_embd = {self.n_embd} must be a multiple of train.model.n_head = {self.n_head}",
            )


@dataclass
class GPTConfig(DecoderConfig):
    """``family = "gpt"``: GPT-2's learned positions, layer norms, GELU. nanoGPT's checkpoints are of this family."""

    bias: bool = False
    """Bias in linear layers and layer norms, as GPT-2 has it."""
    norm_eps: float = bounded(1e-5, gt=0)
    """Added to the variance in layer norms."""


@dataclass
class Qwen3Config(DecoderConfig):
    """``family = "qwen3"``: rotary positions, RMSNorm, normalised queries and keys, SwiGLU.

    Such a model runs in other programs without custom code.
    """

    family: str = "qwen3"
    n_kv_head: int | None = bounded(None, ge=1)
    """Heads of keys and values, a divisor of ``n_head``. Unset: ``n_head``."""
    n_inner: int | None = bounded(None, ge=1)
    """Width inside the MLP. Unset: 8/3 of ``n_embd``, up to a multiple of 32."""
    rope_theta: float = bounded(10_000.0, gt=0)
    """Longest wavelength of the rotary positions, in tokens over 2 pi."""
    norm_eps: float = bounded(1e-6, gt=0)
    """Added to the mean square in RMSNorm."""

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


CONFIGS: dict[str, type[ModelConfig]] = {"gpt": GPTConfig, "qwen3": Qwen3Config}
"""Of the built-in families."""


def config_class(family: str) -> type[ModelConfig]:
    """The table of a family.

    Raises:
        UserError: no family has that name.
    """
    if family in CONFIGS:
        return CONFIGS[family]
    # Here and not above: it imports torch.
    from ml_playground.models.registry import families

    return families.get(family).config


def config_from(args: ModelArgs) -> ModelConfig:
    """The settings of a model that a checkpoint has these arguments of; what they lack has its default.

    Raises:
        UserError: no family has that name.
        TypeError: an argument is missing.
    """
    args = {"family": DEFAULT_FAMILY, **args}
    kind = config_class(str(args["family"]))
    missing = [field.name for field in fields(kind) if field.default is MISSING and field.name not in args]
    if missing:
        raise TypeError(f"{missing[0]} is missing")
    return kind(**{field.name: args[field.name] for field in fields(kind) if field.name in args})  # type: ignore[arg-type]  # the untyped form of these fields


def _default_inner(n_embd: int) -> int:
    """8/3 of the width, which gives SwiGLU's three matrices the size of a plain MLP's two, up to a multiple of 32."""
    return -(-8 * n_embd // 96) * 32
