"""From settings or from a checkpoint's arguments to a model."""

from __future__ import annotations

from dataclasses import fields, replace

from ml_playground.models.base import LanguageModel, ModelArgs
from ml_playground.models.config import Family, ModelConfig
from ml_playground.models.gpt import GPT, GPTArgs
from ml_playground.models.qwen3 import Qwen3, Qwen3Args, default_inner


def model_args(config: ModelConfig, vocab_size: int) -> ModelArgs:
    """What a checkpoint will say about a model of these settings."""
    shape: ModelArgs = {
        "family": config.family.name,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_embd": config.n_embd,
        "block_size": config.block_size,
        "vocab_size": vocab_size,
        "dropout": config.dropout,
    }
    if config.family is Family.gpt:
        return {**shape, "bias": config.bias}
    return {
        **shape,
        "n_kv_head": config.n_kv_head or config.n_head,
        "n_inner": config.n_inner or default_inner(config.n_embd),
    }


def with_args(config: ModelConfig, args: ModelArgs) -> ModelConfig:
    """The settings of a model that a checkpoint has these arguments of."""
    known = {field.name for field in fields(config)} & args.keys() - {"family"}
    family = Family[str(args.get("family", "gpt"))]
    shape = {"n_kv_head": None, "n_inner": None, "bias": False, **{name: args[name] for name in known}}
    return replace(config, family=family, **shape)  # type: ignore[arg-type]  # the untyped form of these fields


def parameter_count(args: ModelArgs) -> int:
    """How many numbers a model of these arguments learns, without building it.

    Raises:
        TypeError, KeyError: as :func:`build_model` does.
    """
    return _shape(args).parameters


def build_model(args: ModelArgs) -> LanguageModel:
    """The model of these arguments, freshly initialised; nanoGPT's arguments name no family.

    Raises:
        TypeError: an argument is missing, or unknown.
        KeyError: the family is unknown.
    """
    shape = _shape(args)
    return GPT(shape) if isinstance(shape, GPTArgs) else Qwen3(shape)


def _shape(args: ModelArgs) -> GPTArgs | Qwen3Args:
    shape = {name: value for name, value in args.items() if name != "family"}
    match Family[str(args.get("family", "gpt"))]:
        case Family.gpt:
            return GPTArgs(**shape)  # type: ignore[arg-type]  # ModelArgs is the untyped form of GPTArgs
        case Family.qwen3:
            return Qwen3Args(**shape)  # type: ignore[arg-type]  # and of Qwen3Args
