from __future__ import annotations

import io

import pytest
import torch

from ml_playground.models.gpt import GPT, GPTArgs
from ml_playground.training.config import OptimConfig
from ml_playground.training.optimizers.adamw import AdamW

CONFIG = OptimConfig(learning_rate=0.01, weight_decay=0.5)


def model() -> GPT:
    torch.manual_seed(1)
    return GPT(GPTArgs(n_layer=1, n_head=2, n_embd=8, block_size=4, bias=True, vocab_size=5, dropout=0.0))


def adamw(model: GPT) -> AdamW:
    return AdamW(dict(model.named_parameters()), CONFIG)


def gradients(model: GPT, step: int) -> None:
    torch.manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)


def assert_equal(first: GPT, second: GPT) -> None:
    for (name, a), (_, b) in zip(first.named_parameters(), second.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_it_is_torchs_fused_adamw_with_decay_on_matrices() -> None:
    ours, theirs = model(), model()
    reference = torch.optim.AdamW(
        [
            {"params": [p for p in theirs.parameters() if p.dim() >= 2], "weight_decay": 0.5},
            {"params": [p for p in theirs.parameters() if p.dim() < 2], "weight_decay": 0.0},
        ],
        lr=0.01, betas=(CONFIG.beta1, CONFIG.beta2), fused=True,
    )  # fmt: skip
    optimizer = adamw(ours)
    for step in range(5):
        for group in reference.param_groups:
            group["lr"] = 0.01 / (step + 1)
        optimizer.learning_rate = 0.01 / (step + 1)
        gradients(ours, step)
        gradients(theirs, step)
        optimizer.step()
        reference.step()
    assert_equal(ours, theirs)


def test_a_saved_state_goes_on_where_it_was() -> None:
    whole, parts = model(), model()
    first, second = adamw(whole), adamw(parts)
    for step in range(4):
        gradients(whole, step)
        first.step()
        if step == 2:
            file = io.BytesIO()
            torch.save(second.state_dict(), file)
            file.seek(0)
            second = adamw(parts)
            second.load_state_dict(torch.load(file, weights_only=True))
        gradients(parts, step)
        second.step()
    assert_equal(whole, parts)


@pytest.mark.parametrize("missing", [True, False])
def test_a_parameter_without_a_gradient_stays(missing: bool) -> None:
    network = model()
    optimizer = adamw(network)
    gradients(network, 0)
    weight = network.lm_head.weight
    before = weight.detach().clone()
    if missing:
        weight.grad = None
    optimizer.step()
    assert torch.equal(weight, before) is missing
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in network.parameters())
