from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.models.kv_cache import KVCache


@given(st.integers(1, 6), st.integers(1, 20), st.integers(1, 6))
def test_it_keeps_the_newest_tokens(window: int, tokens: int, first: int) -> None:
    cache = KVCache(1, 2, window)
    first = min(first, window, tokens)
    everything = torch.arange(tokens, dtype=torch.float32).expand(2, 3, tokens).unsqueeze(-1)
    kept = torch.empty(0)
    for piece in torch.split(everything, [first, *[1] * (tokens - first)], dim=2):
        kept, negative = cache.extend(0, piece, -piece)
        cache.length += piece.shape[2]
        assert torch.equal(kept, -negative)
    expected = list(range(max(0, tokens - window), tokens))
    assert kept.shape == (2, 3, len(expected), 1)
    assert torch.equal(kept.sort(dim=2).values, torch.tensor(expected).float().view(1, 1, -1, 1).expand_as(kept))


def test_one_row_stands_for_all() -> None:
    cache = KVCache(1, 3, 4)
    prompt, token = torch.randn(1, 2, 2, 5), torch.randn(3, 2, 1, 5)
    assert torch.equal(cache.extend(0, prompt, prompt)[0], prompt)
    cache.length = 2
    key, _ = cache.extend(0, token, token)
    assert torch.equal(key, torch.cat((prompt.expand(3, -1, -1, -1), token), dim=2))


def test_several_tokens_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="5 tokens do not fit a cache of 4 that has seen 0"):
        KVCache(1, 1, 4).extend(0, torch.zeros(1, 1, 5, 2), torch.zeros(1, 1, 5, 2))
