"""Texts of a model, written token by token."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ml_playground.models.base import LanguageModel
from ml_playground.sampling.config import SamplingConfig
from ml_playground.sampling.generation import generate
from ml_playground.sampling.streaming import TextStream
from ml_playground.text.tokenizer import Tokenizer, is_chat
from ml_playground.training.device import Hardware


def open_streams(
    model: LanguageModel, tokenizer: Tokenizer, prompt: list[int], config: SamplingConfig
) -> list[TextStream]:
    """Return an empty text per sample, which ends where the model or its chat template says.

    Args:
        prompt: Token ids, shape (tokens,).
    """
    end_tokens = model.generation.end_tokens
    if is_chat(tokenizer):
        end_tokens |= tokenizer.end_tokens
    return [TextStream(tokenizer, config.stop, prompt, end_tokens) for _ in range(config.num_samples)]


def write(
    model: LanguageModel,
    tokenizer: Tokenizer,
    prompt: list[int],
    streams: list[TextStream],
    config: SamplingConfig,
    hardware: Hardware,
    generator: torch.Generator,
) -> Iterator[None]:
    """Generate into the streams, and yield whenever they may have new text.

    Args:
        prompt: Token ids, shape (tokens,).

    Raises:
        DivergedError: If the model's outputs are not finite.
    """
    vocab_size = min(tokenizer.vocab_size, model.vocab_size)
    with hardware.autocast():
        steps = generate(
            model, torch.tensor(prompt, device=hardware.device), vocab_size, config, generator, len(streams)
        )
        for step in steps:
            for stream, token in zip(streams, step, strict=True):
                stream.push(token)
            yield
            if all(stream.done for stream in streams):
                break
    for stream in streams:
        stream.finish()
    yield
