"""``[train.model]``: the shape of the network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from omegaconf import MISSING, SI

from ml_playground.ranges import SettingError, bounded


class Family(Enum):
    """Architecture of the model."""

    gpt = "gpt"
    """GPT-2's: learned positions, layer norms, GELU. Checkpoints of nanoGPT are of this family."""
    qwen3 = "qwen3"
    """Qwen3's: rotary positions, RMSNorm, normalised queries and keys, SwiGLU. Runs elsewhere without custom code."""


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


def check_model(model: ModelConfig) -> None:
    """Raises:
    SettingError: settings of the model contradict each other.
    """
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
