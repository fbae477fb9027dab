"""Several texts in a row are computed as if each were alone."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
import torch

from ml_playground.models.build import create_model
from ml_playground.models.config import GPTConfig, ModelConfig, Qwen3Config

CONFIGS: list[ModelConfig] = [
    GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=12),
    Qwen3Config(n_layer=2, n_head=4, n_embd=16, n_kv_head=2, block_size=12),
]
LENGTHS = [5, 1, 6]
PARTS = [slice(first, last) for first, last in pairwise(accumulate(LENGTHS, initial=0))]
POSITIONS = torch.cat([torch.arange(length) for length in LENGTHS]).expand(2, -1)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.family)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_each_text_sees_itself_only(config: ModelConfig, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    model = create_model(config.args(20)).eval()
    for parameter in model.parameters():  # qwen3 starts with projections of zeros
        torch.nn.init.normal_(parameter, std=0.3)
    ids = torch.randint(20, (2, sum(LENGTHS)))
    with torch.autocast("cpu", dtype=dtype, enabled=dtype is not torch.float32):
        packed = model.hidden(ids, positions=POSITIONS)
        alone = torch.cat([model.hidden(ids[:, part]) for part in PARTS], 1)
        together = model.hidden(ids)
    bound = 1e-5 if dtype is torch.float32 else 0.1
    assert torch.allclose(packed, alone, atol=bound)
    assert not torch.allclose(together, alone, atol=bound)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.family)
def test_gradients_are_those_of_the_texts_alone(config: ModelConfig) -> None:
    torch.manual_seed(1)
    model = create_model(config.args(20))
    ids, targets = torch.randint(20, (2, sum(LENGTHS))), torch.randint(20, (2, sum(LENGTHS)))
    model.loss(ids, targets, POSITIONS).backward()
    packed = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    for part, length in zip(PARTS, LENGTHS, strict=True):
        (model.loss(ids[:, part], targets[:, part]) * length / sum(LENGTHS)).backward()
    alone = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert packed
    for one, other in zip(packed, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
