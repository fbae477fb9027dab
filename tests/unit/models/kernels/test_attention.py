"""Attention on a CPU, against torch's own in float32."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ml_playground.models.kernels.attention import causal_attention, separating_mask

SHAPES = [(2, 3, 7, 4), (1, 2, 64, 8), (2, 3, 65, 32), (1, 2, 200, 64), (1, 1, 513, 4)]


def heads(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.bfloat16) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return values.to(dtype).requires_grad_()


def gradients(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    return [*torch.autograd.grad((output.float() * weights).sum(), inputs)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("texts", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "rounding"),
    # bfloat16 has 8 bits: a rounding is 1/256 of the number, and sums of a few pass through three of them.
    [(torch.float32, 1e-5), (torch.bfloat16, 0.03)],
)
def test_values_and_gradients_are_those_of_torch(
    shape: tuple[int, ...], texts: int, dtype: torch.dtype, rounding: float
) -> None:
    inputs = [heads(shape, seed, dtype) for seed in range(3)]
    query, key, value = (one.float() for one in inputs)
    mask = None
    if texts > 1:  # of different lengths in each row
        positions = torch.arange(shape[2]).repeat(shape[0], 1)
        for row, first in enumerate(range(3, 3 + shape[0])):
            positions[row, first:] -= first
        mask = separating_mask(positions)
    expected = F.scaled_dot_product_attention(query, key, value, mask, is_causal=mask is None)
    found = causal_attention(inputs[0], inputs[1], inputs[2], mask=mask)
    assert torch.allclose(found.float(), expected, atol=rounding, rtol=rounding)
    for ours, torchs in zip(gradients(found, inputs), gradients(expected, inputs), strict=True):
        assert torch.allclose(ours.float(), torchs.float(), atol=2 * rounding, rtol=rounding)


def test_no_token_sees_a_later_one() -> None:
    query, key, value = (heads((1, 2, 9, 4), seed) for seed in range(3))
    before = causal_attention(query, key, value)
    with torch.no_grad():
        key[:, :, 5:] += 3
        value[:, :, 5:] -= 3
    after = causal_attention(query, key, value)
    assert torch.equal(before[:, :, :5], after[:, :, :5])
    assert not torch.equal(before[:, :, 5:], after[:, :, 5:])


def test_queries_and_keys_in_float32_are_taken_with_values_in_bfloat16() -> None:
    query, key, value = (heads((2, 2, 9, 4), seed) for seed in range(3))
    wide = [query.float().detach().requires_grad_(), key.float().detach().requires_grad_()]
    found = causal_attention(wide[0], wide[1], value)
    assert torch.equal(found, causal_attention(query, key, value))
    assert [one.dtype for one in gradients(found, wide)] == [torch.float32] * 2


def test_heads_may_share_keys_and_values() -> None:
    query, key, value = heads((2, 6, 70, 4), 0), heads((2, 2, 70, 4), 1), heads((2, 2, 70, 4), 2)
    found = causal_attention(query, key, value)
    keys, values = (one.repeat_interleave(3, 1) for one in (key, value))
    assert torch.equal(found, causal_attention(query, keys, values))
    assert [one.shape for one in gradients(found, [query, key, value])] == [query.shape, key.shape, value.shape]
