from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ml_playground.dataset.windows import IGNORED, Batch
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import build_model
from ml_playground.training.device import Hardware
from ml_playground.training.gradients import accumulate, count_targets
from ml_playground.training.replicas import Replicas
from tests.unit.training.models import SMALL

HARDWARE = Hardware(torch.device("cpu"), torch.float32, workers=2)


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def new_model(dropout: float = 0.0) -> LanguageModel:
    torch.manual_seed(0)
    return build_model({**SMALL, "dropout": dropout}).train()


def batches(seed: int) -> list[Batch]:
    """Two micro steps of five rows, which two processes cannot share evenly, some without targets."""
    ids = torch.randint(50, (2, 5, 9), generator=torch.Generator().manual_seed(seed))
    targets = ids[:, :, 1:].clone()
    targets[0, :2] = IGNORED
    return [Batch(ids[step, :, :-1], targets[step]) for step in range(2)]


def gradients(model: LanguageModel) -> list[Tensor]:
    """Return the gradients, and reset them."""
    found = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    return found


def update(model: LanguageModel, replicas: Replicas, step: int) -> list[Tensor]:
    return [replicas.accumulate(batches(step), step), *gradients(model)]


def until_ready(model: LanguageModel, replicas: Replicas) -> int:
    """Wait until the other process computes its share, and return its ID."""
    (child,) = replicas.processes
    for _ in range(600):
        update(model, replicas, 0)
        if replicas.ready:
            return child
        time.sleep(0.05)
    pytest.fail("the process did not start within half a minute")


def test_gradients_are_the_same_whoever_computes_a_share() -> None:
    """A process that starts, that works, and that was killed; with dropout, which is random."""
    model = new_model(dropout=0.2)
    with Replicas(model, HARDWARE, seed=3) as replicas:
        state = torch.get_rng_state()
        alone = update(model, replicas, step=7)
        assert not replicas.ready
        assert torch.equal(torch.get_rng_state(), state)
        child = until_ready(model, replicas)
        together = update(model, replicas, step=7)
        os.kill(child, signal.SIGKILL)
        afterwards = [update(model, replicas, step=7) for _ in range(2)]
    for found in (together, *afterwards):
        assert len(found) == len(alone)
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, alone, strict=True))


def test_gradients_are_those_of_one_process_and_of_the_current_weights() -> None:
    model, single = new_model(), new_model()
    with Replicas(model, HARDWARE, seed=3) as replicas:
        until_ready(model, replicas)
        with torch.no_grad():
            for one, other in zip(model.parameters(), single.parameters(), strict=True):
                other.copy_(one.add_(0.1))
        loss, *found = update(model, replicas, step=1)
    expected = accumulate(single.loss, batches(1), count_targets(batches(1)), HARDWARE)
    assert torch.allclose(loss, expected)
    for ours, theirs in zip(found, gradients(single), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_processes_end_with_the_context() -> None:
    with Replicas(new_model(), HARDWARE, seed=3) as replicas:
        (child,) = replicas.processes
        os.kill(child, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert torch.get_num_threads() == 2
