"""The options that decide which token is drawn."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.sampling.config import TokenSampling
from ml_playground.sampling.generation import sample_next_token

DRAWS = 3000
SEEN = torch.tensor([[2, 0, 2]])


def shares(logits: torch.Tensor, config: TokenSampling) -> torch.Tensor:
    """How often each id is drawn."""
    rows, seen = logits.expand(DRAWS, -1), SEEN.expand(DRAWS, -1)
    drawn = sample_next_token(rows, seen, config, torch.Generator().manual_seed(1))
    return drawn.flatten().bincount(minlength=logits.shape[-1]) / DRAWS


def expected(logits: torch.Tensor, config: TokenSampling) -> torch.Tensor:
    """Probabilities as transformers' own settings of these names give them."""
    from transformers import (  # takes seconds
        LogitsProcessorList,
        MinPLogitsWarper,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    processors = LogitsProcessorList([RepetitionPenaltyLogitsProcessor(config.repetition_penalty)])
    processors.append(TemperatureLogitsWarper(float(config.temperature)))
    if config.top_k:
        processors.append(TopKLogitsWarper(config.top_k))
    processors.append(TopPLogitsWarper(config.top_p))
    if config.min_p:
        processors.append(MinPLogitsWarper(config.min_p))
    return processors(cast("torch.LongTensor", SEEN), cast("torch.FloatTensor", logits.clone())).softmax(dim=-1)[0]


LOGITS = torch.tensor([[1.0, -2.0, 3.0, 0.5, -0.3, 2.0]])


@pytest.mark.parametrize(
    "config",
    [
        TokenSampling(temperature=1.0),
        TokenSampling(temperature=0.5),
        TokenSampling(temperature=3.0, top_k=2),
        TokenSampling(temperature=3.0, top_k=100),
        TokenSampling(temperature=1.0, top_p=0.7),
        TokenSampling(temperature=1.0, top_p=0.01),
        TokenSampling(temperature=2.0, min_p=0.4),
        TokenSampling(temperature=2.0, min_p=1.0),
        TokenSampling(temperature=1.0, repetition_penalty=1.5),
        TokenSampling(temperature=1.0, repetition_penalty=0.5),
        TokenSampling(temperature=2.0, top_k=4, top_p=0.9, min_p=0.2, repetition_penalty=1.3),
    ],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_transformers_settings_say(config: TokenSampling) -> None:
    wanted = expected(LOGITS, config)
    found = shares(LOGITS, config)
    assert not found[wanted == 0].any()
    assert torch.allclose(found, wanted, atol=0.04)


logit_lists = st.lists(st.floats(-10, 10), min_size=3, max_size=20)


@given(
    logit_lists,
    st.integers(0, 30),
    st.floats(0.01, 1),
    st.floats(0, 1),
    st.one_of(st.just(0.0), st.floats(0.1, 3)),
    st.floats(0.1, 3),
)
def test_any_settings_choose_a_token(
    logits: list[float], top_k: int, top_p: float, min_p: float, temperature: float, penalty: float
) -> None:
    config = TokenSampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, repetition_penalty=penalty)
    token = sample_next_token(torch.tensor([logits]), SEEN, config, torch.Generator())
    assert token.shape == (1, 1)
    assert 0 <= int(token) < len(logits)


@given(logit_lists, st.integers(1, 20), st.floats(0.01, 1), st.floats(0, 1))
def test_whatever_is_left_out_the_likeliest_stays_and_greed_takes_it(
    logits: list[float], top_k: int, top_p: float, min_p: float
) -> None:
    row = torch.tensor([logits])
    greedy = TokenSampling(temperature=0, top_k=top_k, top_p=top_p, min_p=min_p)
    assert row[0, int(sample_next_token(row, SEEN, greedy, torch.Generator()))] == row.max()
    strict = TokenSampling(temperature=1.0, top_k=1, top_p=top_p, min_p=min_p)
    assert row[0, int(sample_next_token(row, SEEN, strict, torch.Generator()))] == row.max()


def test_a_penalty_moves_greed_on_from_what_was_seen() -> None:
    logits = torch.tensor([[1.0, 1.9, 2.0]])
    greedy = TokenSampling(temperature=0)
    assert int(sample_next_token(logits, SEEN, greedy, torch.Generator())) == 2
    penalized = TokenSampling(temperature=0, repetition_penalty=1.1)
    assert int(sample_next_token(logits, SEEN, penalized, torch.Generator())) == 1


def test_rows_are_drawn_on_their_own() -> None:
    logits = torch.tensor([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    config = TokenSampling(temperature=0.1, top_k=2, top_p=0.9, repetition_penalty=1.01)
    seen = torch.tensor([[1], [2]])
    assert sample_next_token(logits, seen, config, torch.Generator()).tolist() == [[0], [1]]
