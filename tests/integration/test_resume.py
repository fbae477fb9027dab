"""A run that was interrupted ends with the same bits as one that was not."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.batches import Batches
from ml_playground.dataset.windows import Batch
from ml_playground.errors import CheckpointError, RunFolderError, Stopped
from ml_playground.runs.manifest import RunManifest
from ml_playground.runs.train import train
from ml_playground.training import checkpoint as checkpoints
from tests.integration.conftest import Tiny, differences, last, logged, steps


class Killed(Exception):
    """Stands for the end of the process."""


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], None]) -> None:
    """Do something right after the checkpoint of a step was written."""
    write = RunManifest.write

    def write_then_act(manifest: RunManifest, folder: Path) -> None:
        write(manifest, folder)
        if manifest.step == step and manifest.ended is None:
            monkeypatch.setattr(RunManifest, "write", write)
            action()

    monkeypatch.setattr(RunManifest, "write", write_then_act)


def kill() -> None:
    raise Killed


VARIANTS: list[dict[str, dict[str, object]]] = [
    {},
    {"data": {"grad_accum_steps": 3}},
    {"model": {"dropout": 0.2}, "runtime": {"ema_decay": 0.9}},
    {"runtime": {"best_smoothing_alpha": 0.5, "ckpt_top_k": 2, "ckpt_metric": "train_loss", "dtype": "bfloat16"}},
    {"model": {"dropout": 0.2}, "data": {"grad_accum_steps": 2}, "optim": {"grad_clip": 0.0}},
    {"model": {"family": "qwen3", "n_kv_head": 1, "dropout": 0.1}, "runtime": {"dtype": "bfloat16"}},
]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("step", [4, 8])
@pytest.mark.parametrize("how", ["killed", "SIGTERM"])
def test_an_interrupted_run_ends_with_the_same_bits(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, variant: dict[str, dict[str, object]], step: int, how: str
) -> None:
    def config(name: str) -> ExperimentConfig:
        runtime = {**variant.get("runtime", {}), "out_dir": name}
        return tiny(train={**variant, "runtime": runtime})

    whole = config("whole")
    train(whole)
    if how == "killed":
        interrupt(monkeypatch, step, kill)
        with pytest.raises(Killed):
            train(config("parts"))
    else:
        interrupt(monkeypatch, step, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(Stopped, match=r"stopped at step \d+, saved") as stopped:
            train(config("parts"))
        assert stopped.value.exit_code == 143
    parts = config("parts")
    train(parts)
    assert differences(last(Path("whole")).checkpoint, last(Path("parts")).checkpoint) == []
    assert steps(Path("parts")) == steps(Path("whole"))
    assert logged(Path("parts")) == logged(Path("whole"))


def test_killed_between_saving_and_copying_the_best_is_copied_on_resume(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path, source: str, stem: str) -> None:
        if last(folder).step == 12:
            raise Killed
        copy(folder, source, stem)

    copy = checkpoints.copy
    monkeypatch.setattr(checkpoints, "copy", refuse)
    with pytest.raises(Killed):
        train(tiny())
    monkeypatch.setattr(checkpoints, "copy", copy)
    assert steps(Path("outputs/tiny")) == {"ckpt_last.json": 12, "ckpt_best.json": 8}
    train(tiny())
    assert steps(Path("outputs/tiny")) == {"ckpt_last.json": 12, "ckpt_best.json": 12}


def test_stopped_in_its_last_evaluation_a_run_is_evaluated_on_resume(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluations = 0
    fixed = Batches.fixed

    def stop_the_fourth(batches: Batches, limit: int, rank: int, world_size: int) -> Iterator[Batch]:
        nonlocal evaluations
        evaluations += 1
        if evaluations == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return fixed(batches, limit, rank, world_size)

    monkeypatch.setattr(Batches, "fixed", stop_the_fourth)
    with pytest.raises(Stopped, match="stopped at step 12, saved"):
        train(tiny())
    assert last(Path("outputs/tiny")).checkpoint["state"]["progress"]["evaluated"] == 8
    train(tiny())
    assert last(Path("outputs/tiny")).checkpoint["state"]["progress"]["evaluated"] == 12
    assert logged(Path("outputs/tiny"))[-1].keys() >= {"step", "val/loss", "val/bits_per_byte"}


def test_a_finished_run_is_not_trained_again(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    before = last(Path("outputs/tiny")).path.stat().st_mtime_ns
    capsys.readouterr()
    train(tiny())
    assert "finished at step 12; to train again, delete ckpt_last.pt and ckpt_best.pt" in capsys.readouterr().err
    assert last(Path("outputs/tiny")).path.stat().st_mtime_ns == before
    assert json.loads(Path("outputs/tiny/run.json").read_text())["status"] == "finished"


def test_a_longer_run_goes_on_from_the_finished_one(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    train(tiny(train={"runtime": {"max_iters": 16}}))
    assert last(Path("outputs/tiny")).step == 16
    errors = capsys.readouterr().err
    assert "resuming: outputs/tiny/ckpt_last.pt at step 12" in errors
    assert ["train.runtime.max_iters", "12", "16", "the", "file's"] in [line.split() for line in errors.splitlines()]
    assert json.loads(Path("outputs/tiny/run.json").read_text())["resumed_from"] == 12


def test_deleting_the_checkpoints_starts_afresh(tiny: Tiny) -> None:
    train(tiny())
    for name in ("ckpt_last.pt", "ckpt_best.pt"):
        (Path("outputs/tiny") / name).unlink()
    train(tiny())
    assert json.loads(Path("outputs/tiny/run.json").read_text())["resumed_from"] is None


def test_the_checkpoints_model_wins_and_is_said_aloud(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    changed = {"family": "qwen3", "n_kv_head": 1, "n_embd": 32}
    train(tiny(train={"model": changed, "runtime": {"max_iters": 14}}))
    rows = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert ["train.model.family", "gpt", "qwen3", "the", "checkpoint's"] in rows
    assert ["train.model.n_kv_head", "unset", "1", "the", "checkpoint's"] in rows
    assert ["train.model.n_embd", "16", "32", "the", "checkpoint's"] in rows
    assert last(Path("outputs/tiny")).checkpoint["model_args"]["n_embd"] == 16


def test_other_data_is_refused(tiny: Tiny, workspace: Path) -> None:
    train(tiny())
    (workspace / "input.txt").write_text("Ganz andere Worte stehen hier. " * 50, encoding="utf-8")
    with pytest.raises(RunFolderError, match="was trained on other data or another tokenizer"):
        train(tiny())


@pytest.mark.parametrize("best", [True, False], ids=["the best is as new", "there is no best"])
def test_a_damaged_checkpoint_is_said_aloud_and_the_newest_other_one_used(
    tiny: Tiny, capsys: pytest.CaptureFixture[str], best: bool
) -> None:
    train(tiny())
    whole = last(Path("outputs/tiny")).checkpoint
    path = Path("outputs/tiny/ckpt_last.pt")
    path.write_bytes(path.read_bytes()[:-100])
    if not best:
        checkpoints.delete(path.parent, "ckpt_best")
    train(tiny())
    errors = capsys.readouterr().err
    assert "warning: outputs/tiny/ckpt_last.pt does not match its manifest's SHA-256; using another" in errors
    assert ("finished at step 12" if best else "resuming: outputs/tiny/ckpt_last.prev.pt at step 8") in errors
    assert differences(whole, last(Path("outputs/tiny")).checkpoint) == []


def test_where_every_checkpoint_is_damaged_the_run_stops(tiny: Tiny) -> None:
    train(tiny())
    for path in Path("outputs/tiny").glob("*.pt"):
        path.write_bytes(b"")
    with pytest.raises(CheckpointError, match="no checkpoint can be used"):
        train(tiny())


def test_a_run_that_fails_says_so_in_its_manifest(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt(monkeypatch, 4, kill)
    with pytest.raises(Killed):
        train(tiny())
    manifest = json.loads(Path("outputs/tiny/run.json").read_text())
    assert (manifest["status"], manifest["error"]) == ("failed", "Killed: ")
    assert last(Path("outputs/tiny")).step == 4
