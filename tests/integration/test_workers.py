"""Runs whose gradients are computed by several processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ml_playground.config import ExperimentConfig
from ml_playground.errors import ConfigError, UserError
from ml_playground.runs.train import train
from tests.integration.conftest import Tiny, last
from tests.integration.test_exactness import assert_resumes_exactly

pytestmark = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")

TWO = {"threads": 2, "workers": 2}


def test_a_run_resumes_exactly(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    def config(name: str) -> ExperimentConfig:
        return tiny(
            train={
                "model": {"dropout": 0.2},
                "data": {"grad_accum_steps": 3, "sampler": "shuffled"},
                "runtime": {**TWO, "max_iters": 20, "eval_interval": 5, "ema_decay": 0.9, "out_dir": name},
            }
        )

    assert_resumes_exactly(monkeypatch, config, (7,))


def test_their_number_is_recorded_and_kept_and_another_is_said(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(train={"runtime": TWO}))
    assert "on cpu with 2 threads in 2 processes" in capsys.readouterr().err
    record = json.loads(Path("outputs/tiny/run.json").read_text(encoding="utf-8"))
    assert record["hardware"].startswith("cpu with 2 threads in 2 processes")

    train(tiny(train={"runtime": {"threads": 2, "max_iters": 14}}))  # which leaves the choice to the program
    said = capsys.readouterr().err
    assert "in 2 processes" in said
    assert "train.runtime.workers" not in said

    train(tiny(train={"runtime": {"threads": 2, "workers": 1, "max_iters": 16}}))
    said = capsys.readouterr().err
    assert "in 2 processes" not in said
    (row,) = [line.split() for line in said.splitlines() if "train.runtime.workers" in line]
    assert row[1:3] == ["2", "1"]
    assert last(Path("outputs/tiny")).checkpoint["config"]["train.runtime.workers"] == 1


@pytest.mark.parametrize(
    ("train_table", "problem"),
    [
        (
            {"runtime": {"threads": 1, "workers": 2}},
            "train.runtime.workers = 2: more than this run has threads; use 1 at most",
        ),
        ({"runtime": TWO, "data": {"batch_size": 1}}, "2 workers are more than the 1 rows of train.data.batch_size"),
        ({"runtime": {**TWO, "compile": "on"}}, "2 workers do not compile the model"),
        ({"runtime": {**TWO, "dtype": "float16"}}, "neither in float16 nor"),
        ({"runtime": {**TWO, "workers": -1}}, "train.runtime.workers"),
    ],
)
def test_a_number_that_is_not_possible_is_refused_in_one_line(
    tiny: Tiny, train_table: dict[str, dict[str, object]], problem: str
) -> None:
    with pytest.raises((ConfigError, UserError), match=problem) as caught:
        train(tiny(train=train_table))
    assert "\n" not in str(caught.value)
    assert not Path("outputs/tiny/run.json").exists()
