from __future__ import annotations

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ml_playground.models.gpt import GPT, GPTArgs
from ml_playground.training.config import OptimConfig, OptimizerKind
from ml_playground.training.optimizers.build import Optimizer, build_optimizer
from ml_playground.training.optimizers.muon import Muon, inner_matrices, orthogonal

CONFIG = OptimConfig(optimizer=OptimizerKind.muon, learning_rate=0.01, muon_learning_rate=0.02, weight_decay=0.1)
MATRICES = {
    f"transformer.h.{layer}.{name}.weight"
    for layer in (0, 1)
    for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
}


def model() -> GPT:
    torch.manual_seed(1)
    return GPT(GPTArgs(n_layer=2, n_head=2, n_embd=8, block_size=4, bias=True, vocab_size=5, dropout=0.0))


def gradients(model: GPT, step: int) -> None:
    torch.manual_seed(step)
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)


def muon(model: GPT) -> Optimizer:
    return build_optimizer(model, CONFIG, torch.float32)


def assert_equal(first: GPT, second: GPT, atol: float = 0.0) -> None:
    wanted = dict(second.named_parameters())
    torch.testing.assert_close(dict(first.named_parameters()), wanted, rtol=0, atol=atol)


def test_only_matrices_inside_the_model_are_muons() -> None:
    assert set(inner_matrices(model())) == MATRICES


def test_its_steps_are_torchs() -> None:
    ours, theirs = model(), model()
    named = dict(theirs.named_parameters())
    rest = [p for name, p in named.items() if name not in MATRICES]
    references = [
        torch.optim.Muon([named[name] for name in MATRICES], lr=0.02, momentum=0.95, weight_decay=0.1),
        torch.optim.AdamW(
            [
                {"params": [p for p in rest if p.dim() >= 2], "weight_decay": 0.1},
                {"params": [p for p in rest if p.dim() < 2], "weight_decay": 0.0},
            ],
            lr=0.01, betas=(CONFIG.beta1, CONFIG.beta2), fused=True,
        ),
    ]  # fmt: skip
    optimizer = build_optimizer(ours, CONFIG, torch.bfloat16)  # torch's iterates in bfloat16
    for step in range(5):
        gradients(ours, step)
        gradients(theirs, step)
        optimizer.step()
        for reference in references:
            reference.step()
    assert_equal(ours, theirs, atol=1e-3)


def test_the_rate_of_matrices_follows_the_schedule() -> None:
    changes: list[Tensor] = []
    for rate in (0.01, 0.005):
        network = model()
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        optimizer = build_optimizer(
            network, OptimConfig(optimizer=OptimizerKind.muon, learning_rate=0.01), torch.float32
        )
        optimizer.learning_rate = rate
        for name, parameter in network.named_parameters():
            parameter.grad = torch.ones_like(before[name])
        optimizer.step()
        name = next(iter(sorted(MATRICES)))
        changes.append(dict(network.named_parameters())[name].detach() - before[name])
    torch.testing.assert_close(changes[0], 2 * changes[1], rtol=1e-3, atol=1e-6)


def test_a_saved_state_goes_on_where_it_was() -> None:
    whole, parts = model(), model()
    first, second = muon(whole), muon(parts)
    for step in range(4):
        gradients(whole, step)
        first.step()
        if step == 2:
            file = io.BytesIO()
            torch.save(second.state_dict(), file)
            file.seek(0)
            second = muon(parts)
            second.load_state_dict(torch.load(file, weights_only=True))
        gradients(parts, step)
        second.step()
    assert_equal(whole, parts)


@pytest.mark.parametrize("value", [float("nan"), 1.0])
def test_a_skipped_step_changes_nothing(value: float) -> None:
    skipping, plain = model(), model()
    first, second = muon(skipping), muon(plain)
    for step in range(3):
        gradients(skipping, step)
        gradients(plain, step)
        first.step(torch.tensor(0.0))
        second.step()
        for parameter in skipping.parameters():
            parameter.grad = torch.full_like(parameter, value)
        first.step(torch.tensor(1.0))
    assert_equal(skipping, plain)
    first.zero_grad()
    assert all(parameter.grad is None for parameter in skipping.parameters())


def test_matrices_without_a_gradient_do_not_stop_it() -> None:
    network = model()
    optimizer = muon(network)
    assert isinstance(optimizer, Muon)
    gradients(network, 0)
    network.get_parameter(sorted(MATRICES)[0]).grad = None
    optimizer.step()
    assert all(parameter.isfinite().all() for parameter in network.parameters())


@settings(deadline=None)
@given(rows=st.integers(1, 12), columns=st.integers(1, 12), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_singular_values_come_near_one(rows: int, columns: int, scale: float) -> None:
    torch.manual_seed(rows * 100 + columns)
    # Well-conditioned: five steps lift a singular value by at most 3.4 ** 5.
    bases: tuple[Tensor, Tensor, Tensor] = torch.svd(torch.randn(2, rows, columns))
    matrices = (bases[0] * torch.linspace(1, 0.3, min(rows, columns))) @ bases[2].transpose(1, 2)
    values: Tensor = torch.svd(orthogonal(scale * matrices))[1]
    assert values.min() > 0.6
    assert values.max() < 1.3
