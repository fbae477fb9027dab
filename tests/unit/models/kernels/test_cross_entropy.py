from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from ml_playground.models.kernels.cross_entropy import IGNORED, cross_entropy

# So large a vocabulary goes in chunks of 512 rows on a CPU.
LARGE, WIDTH = 50_257, 8


def reference(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(F.linear(hidden, weight), targets, ignore_index=IGNORED)


def problem(rows: int, vocabulary: int, seed: int, scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hidden = scale * torch.randn(rows, WIDTH, generator=generator)
    weight = torch.randn(vocabulary, WIDTH, generator=generator)
    targets = torch.randint(-1, vocabulary, (rows,), generator=generator)
    targets[0] = 3
    return hidden.requires_grad_(), weight.requires_grad_(), targets


@settings(deadline=None, max_examples=10)
@given(rows=st.integers(84, 1100), seed=st.integers(0, 99), scale=st.sampled_from([0.1, 1.0, 30.0]))
def test_in_chunks_it_is_torchs_with_its_gradients(rows: int, seed: int, scale: float) -> None:
    hidden, weight, targets = problem(rows, LARGE, seed, scale)
    found, wanted = cross_entropy(hidden, weight, targets), reference(hidden, weight, targets)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    gradients = torch.autograd.grad(3 * found, (hidden, weight))
    expected = torch.autograd.grad(3 * wanted, (hidden, weight))
    torch.testing.assert_close(gradients, expected, rtol=1e-4, atol=1e-5)


def test_a_small_vocabulary_is_torchs_to_the_bit() -> None:
    hidden, weight, targets = problem(64, 65, 0, 1.0)
    assert torch.equal(cross_entropy(hidden, weight, targets), reference(hidden, weight, targets))


def test_without_gradients_the_loss_is_the_same() -> None:
    hidden, weight, targets = problem(700, LARGE, 0, 1.0)
    with torch.no_grad():
        loss = cross_entropy(hidden, weight, targets)
    assert torch.equal(loss, cross_entropy(hidden, weight, targets).detach())


def test_in_bfloat16_it_is_near() -> None:
    hidden, weight, targets = problem(700, LARGE, 0, 1.0)
    wanted = reference(hidden, weight, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cross_entropy(hidden, weight, targets)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, wanted, rtol=1e-2, atol=1e-2)
    for mine, theirs in zip(
        torch.autograd.grad(found, (hidden, weight)), torch.autograd.grad(wanted, (hidden, weight)), strict=True
    ):
        assert mine.dtype is torch.float32
        assert (mine - theirs).norm() < 0.02 * theirs.norm()


def test_in_bfloat16_targets_whose_share_vanishes_still_count() -> None:
    hidden, weight, targets = problem(512, LARGE, 0, 300.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(found, reference(hidden, weight, targets), rtol=1e-2, atol=0)


def test_a_compiler_takes_it_as_it_is() -> None:
    hidden, weight, targets = problem(700, LARGE, 0, 1.0)

    def loss_of_a_layer(x: torch.Tensor) -> torch.Tensor:
        return cross_entropy(2 * x, weight, targets)

    compiled = torch.compile(loss_of_a_layer, backend="aot_eager", fullgraph=True)
    assert torch.equal(compiled(hidden), loss_of_a_layer(hidden))
    gradients = torch.autograd.grad(compiled(hidden), (hidden, weight))
    assert all(map(torch.equal, gradients, torch.autograd.grad(loss_of_a_layer(hidden), (hidden, weight))))


@pytest.mark.parametrize("rows", [100, 512, 700])
def test_rows_that_do_not_count_have_no_gradient(rows: int) -> None:
    hidden, weight, targets = problem(rows, LARGE, 0, 1.0)
    cross_entropy(hidden, weight, targets).backward()
    assert hidden.grad is not None
    assert (hidden.grad[targets == IGNORED] == 0).all()
    assert (hidden.grad[targets != IGNORED] != 0).any(1).all()


def test_training_on_a_large_vocabulary_does_not_load_the_compiler() -> None:
    program = (
        "import sys, torch; from ml_playground.models.kernels.cross_entropy import cross_entropy\n"
        "weight = torch.zeros(50_257, 8, requires_grad=True)\n"
        "cross_entropy(torch.zeros(100, 8), weight, torch.zeros(100, dtype=torch.int64)).backward()\n"
        "assert weight.grad is not None and 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
