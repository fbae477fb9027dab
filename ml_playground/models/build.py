"""From settings or from a checkpoint's arguments to a model."""

from __future__ import annotations

from ml_playground.models.config import Family, ModelConfig
from ml_playground.models.gpt import GPT, GPTArgs
from ml_playground.models.language_model import LanguageModel, ModelArgs
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


def build_model(args: ModelArgs) -> LanguageModel:
    """The model of these arguments, freshly initialised; nanoGPT's arguments name no family.

    Raises:
        TypeError: an argument is missing, or unknown.
        KeyError: the family is unknown.
    """
    shape = {name: value for name, value in args.items() if name != "family"}
    match Family[str(args.get("family", "gpt"))]:
        case Family.gpt:
            return GPT(GPTArgs(**shape))  # type: ignore[arg-type]  # ModelArgs is the untyped form of GPTArgs
        case Family.qwen3:
            return Qwen3(Qwen3Args(**shape))  # type: ignore[arg-type]  # and of Qwen3Args
