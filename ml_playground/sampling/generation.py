"""Autoregressive generation of a batch of samples."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ml_playground.errors import DivergedError
from ml_playground.models.base import LanguageModel
from ml_playground.sampling.config import SamplingConfig, TokenSampling


@torch.inference_mode()
def generate(
    model: LanguageModel,
    prompt: Tensor,
    vocab_size: int,
    config: SamplingConfig,
    generator: torch.Generator,
    samples: int = 1,
) -> Iterator[list[int]]:
    """Yield one id per sample and step, all below ``vocab_size``, that continue a prompt of shape (tokens,).

    Keys and values of past tokens are cached, so that each step processes one token per sample instead of the whole
    context. Behavior beyond the context length depends on the model's positions. With a sliding window, each token
    attends to itself and the previous ``block_size - 1`` tokens, in every layer. Otherwise a full context is truncated
    to its newer half, which is processed again in one pass, amortized over many tokens.

    Raises:
        DivergedError: If the model's outputs are not finite.
    """
    length, total = len(prompt), len(prompt) + config.max_new_tokens
    sampling = config.token_sampling(model.generation.settings)
    ids = torch.empty(samples, total, dtype=torch.int64, device=prompt.device)
    ids[:, :length] = prompt
    cache = model.new_cache(samples, min(model.block_size, total))
    # The prompt is the same for all samples and is processed once.
    fresh = ids[:1, max(0, length - model.block_size) : length]
    for end in range(length, total):
        if cache.length >= model.block_size and not model.sliding_window:
            cache = model.new_cache(samples, cache.window)
            fresh = ids[:, end - max(1, model.block_size // 2) : end]
        logits = model.head(model.hidden(fresh, cache)[:, -1])[:, :vocab_size].float()
        if end == length and not logits.isfinite().all():
            raise DivergedError(
                "the model computes what is not finite: its training has diverged; use another checkpoint, or dtype ="
                " 'float32'"
            )
        fresh = sample_next_token(logits.expand(samples, -1), ids[:, :end], sampling, generator)
        ids[:, end : end + 1] = fresh
        yield fresh.flatten().tolist()


def sample_next_token(logits: Tensor, seen: Tensor, config: TokenSampling, generator: torch.Generator) -> Tensor:
    """Sample one id per row, shape (batch, 1), from logits of shape (batch, vocab_size).

    Temperature 0 is greedy decoding. ``repetition_penalty`` is CTRL's (Keskar et al., 2019), applied to the ids
    ``seen`` so far, of shape (batch, tokens). ``top_p`` is nucleus sampling (Holtzman et al., 2020): the token that
    crosses the threshold is kept. ``min_p`` follows Nguyen et al. (2024). The filters are applied in the order penalty,
    temperature, ``top_k``, ``top_p``, ``min_p``, each to the tokens left by the previous one.
    """
    if config.repetition_penalty != 1:
        found = logits.gather(1, seen)
        penalty = config.repetition_penalty
        logits = logits.scatter(1, seen, torch.where(found > 0, found / penalty, found * penalty))
    if config.temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    logits = logits / config.temperature
    order = None
    if 0 < config.top_k < logits.shape[-1]:
        logits, order = logits.topk(config.top_k)
    elif config.top_p < 1:
        logits, order = logits.sort(descending=True)
    if config.top_p < 1:
        probabilities = logits.softmax(dim=-1)
        outside = probabilities.cumsum(dim=-1) - probabilities >= config.top_p
        logits = logits.masked_fill(outside, -math.inf)
    if config.min_p > 0:
        least = logits.amax(dim=-1, keepdim=True) + math.log(config.min_p)
        logits = logits.masked_fill(logits < least, -math.inf)
    drawn = torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
    return drawn if order is None else order.gather(1, drawn)
