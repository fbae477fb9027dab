from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch

from ml_playground.training.config import Compile, DataConfig, TrainConfig, TrainRuntimeConfig
from ml_playground.training.device import Hardware
from ml_playground.training.workers import choose_workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need Linux")

CPU = Hardware(torch.device("cpu"), torch.float32)
SMALL, LONG = 800_000, 2_000
"""Parameters and steps of a run that takes minutes."""


@pytest.fixture(autouse=True)
def _four_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")
    threads = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(threads)


def chosen(
    batch_size: int = 24, steps: int = LONG, hardware: Hardware = CPU, saved: int | None = None, **runtime: object
) -> int:
    data = DataConfig(batch_size=batch_size, block_size=64, grad_accum_steps=1)
    settings = {"max_iters": steps, "workers": 0, "compile": Compile.auto, "eval_only": False, **runtime}
    config = TrainConfig(data=data, runtime=TrainRuntimeConfig(**settings))  # type: ignore[arg-type]  # of each field
    return choose_workers(config, SMALL, hardware, saved)


def test_each_thread_is_a_worker_where_the_batch_can_be_shared() -> None:
    assert chosen() == 4
    assert chosen(batch_size=18) == 2  # 18 rows cannot be four equal shares
    assert chosen(batch_size=25) == 1


def test_a_worker_has_enough_to_do() -> None:
    assert chosen(batch_size=8) == 2  # of 512 tokens
    assert chosen(batch_size=4) == 1


def test_short_runs_and_accelerators_and_compiled_models_have_one() -> None:
    assert chosen(steps=20) == 1
    assert chosen(hardware=Hardware(torch.device("cuda"), torch.bfloat16)) == 1
    assert chosen(hardware=Hardware(torch.device("cpu"), torch.float16)) == 1
    assert chosen(compile=Compile.on) == 1
    assert chosen(eval_only=True) == 1


def test_threads_that_keep_their_cores_leave_none_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT")
    assert chosen() == 1
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert chosen() == 4


def test_a_resumed_run_keeps_its_number_where_there_are_threads_for_it() -> None:
    assert chosen(saved=2) == 2
    assert chosen(saved=1, steps=LONG) == 1
    assert chosen(saved=8) == 4
    assert chosen(saved=2, workers=3) == 3
