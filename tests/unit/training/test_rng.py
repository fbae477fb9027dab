from __future__ import annotations

import io
import random

import numpy as np
import torch

from ml_playground.training.rng import get_rng_state, seed_everything, set_rng_state

CPU = torch.device("cpu")


def draws() -> list[float]:
    return [random.random(), random.gauss(0, 1), np.random.rand(), np.random.normal(), torch.rand(1).item()]


def test_a_saved_state_goes_on_where_it_was() -> None:
    seed_everything(5)
    draws()
    file = io.BytesIO()
    torch.save(get_rng_state(CPU), file)
    expected = draws()
    file.seek(0)
    set_rng_state(torch.load(file, weights_only=True), CPU)
    assert draws() == expected


def test_a_seed_decides_every_generator() -> None:
    seed_everything(5)
    first = draws()
    seed_everything(5)
    assert draws() == first
    seed_everything(6)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


def test_the_states_of_devices_that_are_not_here_are_left_out() -> None:
    seed_everything(5)
    state = get_rng_state(CPU)
    state["device"] = [torch.zeros(16, dtype=torch.uint8)]  # of a CUDA device
    expected = draws()
    set_rng_state(state, CPU)
    assert draws() == expected
