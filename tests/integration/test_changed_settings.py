"""Settings that change between the sessions of a run, and settings that no machine can follow."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ml_playground.errors import DivergedError, RunFolderError, TooLargeError
from ml_playground.runs.train import train
from ml_playground.training.compilation import CompileError
from tests.integration.conftest import Tiny


def test_float16_after_float32_resumes_with_a_fresh_loss_scaler(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    for dtype, steps, said in [("float16", 14, True), ("float16", 16, False), ("bfloat16", 18, False)]:
        capsys.readouterr()
        train(tiny(train={"runtime": {"dtype": dtype, "max_iters": steps}}))
        assert ("the loss scale, which float16 needs, starts at its default" in capsys.readouterr().err) is said


@pytest.mark.parametrize("order", [["adamw", "muon"], ["muon", "adamw"]], ids=" then ".join)
def test_another_optimizer_is_refused_in_one_line(tiny: Tiny, order: list[str]) -> None:
    first, second = order
    train(tiny(train={"optim": {"optimizer": first}}))
    with pytest.raises(RunFolderError, match=f"train.optim.optimizer = {second}: cannot change .* has {first}; set"):
        train(tiny(train={"optim": {"optimizer": second}, "runtime": {"max_iters": 14}}))


@pytest.mark.parametrize("key", ["data.block_size", "runtime.eval_block_size"])
def test_windows_longer_than_the_checkpoints_positions_are_refused(tiny: Tiny, key: str) -> None:
    train(tiny())
    table, name = key.split(".")
    longer = {"model": {"block_size": 32}, "runtime": {"max_iters": 14}}
    longer[table] = {**longer.get(table, {}), name: 32}
    with pytest.raises(RunFolderError, match=f"train.{key}: .* = 32 is longer than .* = 16 in the checkpoint"):
        train(tiny(train=longer))


def test_another_metric_starts_the_best_anew(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(train={"runtime": {"ckpt_metric": "train_loss", "ckpt_top_k": 2}}))
    own = Path("outputs/tiny/ckpt_step000004_mine.pt")
    own.write_bytes(b"a copy of somebody's")
    train(tiny(train={"runtime": {"max_iters": 16}}))
    assert "the best checkpoint is tracked anew" in capsys.readouterr().err
    record = json.loads(Path("outputs/tiny/run.json").read_text(encoding="utf-8"))
    assert (record["best"], record["best_step"]) == (record["val_loss"], 16)
    assert own.read_bytes() == b"a copy of somebody's"


def test_a_run_that_is_never_finite_fails_and_its_records_are_json(tiny: Tiny) -> None:
    skip = {"on_nonfinite": "skip"}
    wild = {"optim": {"learning_rate": 1e30, "grad_clip": 0.0}, "schedule": {"warmup_iters": 0}, "runtime": skip}
    with pytest.raises(DivergedError, match="validation loss is not finite at step 12; the best is of step 0"):
        train(tiny(train=wild))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    folder = Path("outputs/tiny")
    for path in [folder / "run.json", *folder.glob("ckpt_*.json")]:
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        json.loads(line, parse_constant=refuse)


def test_evaluating_only_makes_no_folder(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(train={"runtime": {"eval_only": True}}))
    assert "val loss" in capsys.readouterr().err
    assert not Path("outputs/tiny").exists()


def test_a_model_too_large_for_any_machine_is_refused_before_it_is_built(tiny: Tiny) -> None:
    with pytest.raises(TooLargeError, match=r"train\.model: [\d,]+ parameters need at least"):
        train(tiny(train={"model": {"n_embd": 1_000_000}}))
    with pytest.raises(TooLargeError, match=r"train\.data\.batch_size = 1000000000000: "):
        train(tiny(train={"data": {"batch_size": 10**12}}))


@pytest.fixture
def broken_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A C++ compiler that is there and fails."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("c++", "g++", "clang++"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("broken_compiler")
def test_a_compiler_that_fails_costs_only_the_speed_unless_it_is_insisted_on(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        CompileError, match=r'train\.runtime\.compile = "on": torch\.compile failed: .*compile = "off"$'
    ):
        train(tiny(train={"runtime": {"compile": "on"}}))
    assert not list(Path("outputs/tiny").glob("ckpt_*"))
    # A run that may be long, and stops at once, for nothing gets better.
    patient = {"max_iters": 10**9, "early_stop_patience": 1, "compile": "auto"}
    still = {"optim": {"learning_rate": 1e-12}, "schedule": {"min_lr": 0.0}, "runtime": patient}
    train(tiny(train=still))
    said = capsys.readouterr().err
    assert "warning: torch.compile failed, so training continues without it: " in said
    assert json.loads(Path("outputs/tiny/run.json").read_text(encoding="utf-8"))["hardware"].endswith("float32")
