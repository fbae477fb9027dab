"""A run folder has what it should."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import pytest

from ml_playground.composition.load import load_experiment
from ml_playground.durable import lock
from ml_playground.errors import CheckpointError, DataError, DivergedError, RunError, RunFolderError, UserError
from ml_playground.runs.train import train
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import Checkpoint
from ml_playground.training.checkpoint_manifest import read_manifest
from tests.integration.conftest import Tiny, last

FOLDER = Path("outputs/tiny")
NO_PROGRESS = {"optim": {"learning_rate": 1e-30}, "schedule": {"min_lr": 0.0}}


def test_a_run_leaves_everything_in_its_folder(tiny: Tiny) -> None:
    train(tiny())
    names = {path.name for path in FOLDER.iterdir() if "prev" not in path.name}
    assert names == {
        ".lock", "ckpt_best.json", "ckpt_best.pt", "ckpt_last.json", "ckpt_last.pt",
        "config.toml", "logs", "metrics.jsonl", "run.json",
    }  # fmt: skip
    manifest = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["step"], manifest["tokens"]) == ("finished", 12, 12 * 4 * 16)
    assert manifest["best"] == pytest.approx(read_best())
    assert manifest["versions"]["torch"]
    assert manifest["data"] == last(FOLDER).checkpoint["data"]
    assert manifest["started"] <= manifest["ended"]


def read_best() -> float:
    manifest = read_manifest(FOLDER, "ckpt_best")
    assert manifest is not None
    assert manifest.val_loss is not None
    return manifest.val_loss


def test_the_snapshot_repeats_the_run(tiny: Tiny) -> None:
    config = tiny()
    train(config)
    assert load_experiment("bundestag_char", FOLDER / "config.toml") == config


def test_training_lowers_the_loss(tiny: Tiny) -> None:
    train(tiny(train={"runtime": {"max_iters": 150, "eval_interval": 50}, "optim": {"learning_rate": 0.01}}))
    losses = [json.loads(line).get("val/loss") for line in (FOLDER / "metrics.jsonl").read_text().splitlines()]
    losses = [loss for loss in losses if loss is not None]
    assert losses[0] == pytest.approx(math.log(35), abs=0.3)
    assert losses[-1] < losses[0] - 1


def test_averaged_weights_decide_the_evaluation_but_not_the_training(tiny: Tiny) -> None:
    def losses(name: str, decay: float) -> tuple[list[float], list[float]]:
        runtime = {"out_dir": name, "ema_decay": decay}
        train(tiny(train={"runtime": runtime, "optim": {"learning_rate": 0.05}}))
        lines = [json.loads(line) for line in (Path(name) / "metrics.jsonl").read_text().splitlines()]
        return [line["train/loss"] for line in lines if "train/loss" in line], [
            line["val/loss"] for line in lines if "val/loss" in line
        ]

    plain, averaged = losses("plain", 0.0), losses("averaged", 0.99)
    assert plain[0] == averaged[0]
    assert plain[1][0] == averaged[1][0]
    assert averaged[1][-1] > plain[1][-1] + 0.3, "the mean lags behind a loss that falls fast"


def test_early_stopping_stops_after_its_patience(tiny: Tiny) -> None:
    train(
        tiny(
            train={
                "optim": {"learning_rate": 1e-30},
                "schedule": {"min_lr": 0.0},
                "runtime": {"early_stop_patience": 2},
            }
        )
    )
    assert last(FOLDER).step == 8
    assert json.loads((FOLDER / "run.json").read_text())["status"] == "finished"
    train(
        tiny(
            train={
                "optim": {"learning_rate": 1e-30},
                "schedule": {"min_lr": 0.0},
                "runtime": {"early_stop_patience": 2},
            }
        )
    )
    assert last(FOLDER).step == 8


def test_the_top_k_are_kept_and_no_more(tiny: Tiny) -> None:
    train(tiny(train={"runtime": {"ckpt_top_k": 2}}))
    kept = sorted(path.name for path in FOLDER.glob("ckpt_step*"))
    assert kept == ["ckpt_step000008.json", "ckpt_step000008.pt", "ckpt_step000012.json", "ckpt_step000012.pt"]


@pytest.mark.parametrize(("always", "step"), [(True, 12), (False, 0)])
def test_the_best_is_the_best_unless_every_evaluation_is_to_be_kept(tiny: Tiny, always: bool, step: int) -> None:
    train(tiny(train={**NO_PROGRESS, "runtime": {"always_save_checkpoint": always}}))
    manifest = read_manifest(FOLDER, "ckpt_best")
    assert manifest is not None
    assert manifest.step == step


def test_a_save_can_be_due_by_time(tiny: Tiny) -> None:
    train(tiny(train={"runtime": {"ckpt_time_interval_minutes": 1e-9, "eval_interval": 100}}))
    manifest = read_manifest(FOLDER, "ckpt_last.prev")
    assert manifest is not None
    assert manifest.step == 12, "saved after each step, and once more with the last evaluation"


def test_eval_only_evaluates_the_checkpoint_and_writes_nothing(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(train={"runtime": {"max_iters": 8}}))
    before = {path: path.stat().st_mtime_ns for path in FOLDER.rglob("*") if path.name != ".lock"}
    capsys.readouterr()
    train(tiny(train={"runtime": {"eval_only": True}}))
    assert f"val loss {read_best():.4f} at step 8" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in FOLDER.rglob("*") if path.name != ".lock"} == before


def test_the_manifest_says_running_while_it_runs(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    save = checkpoints.save

    def save_and_look(folder: Path, stem: str, checkpoint: Checkpoint, step: int, val_loss: float | None) -> None:
        save(folder, stem, checkpoint, step, val_loss)
        seen.append(json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))["status"])

    monkeypatch.setattr(checkpoints, "save", save_and_look)
    train(tiny())
    assert seen == ["running"] * 4


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(tiny: Tiny) -> None:
    with pytest.raises(RunError, match=r"outputs/tiny: the loss or a gradient is not finite at step \d+; the last"):
        train(tiny(train={"optim": {"learning_rate": 1e30}, "runtime": {"eval_interval": 1}}))
    weights = last(FOLDER).checkpoint["state"]["model"]
    assert all(bool(tensor.isfinite().all()) for tensor in weights.values())
    manifest = json.loads((FOLDER / "run.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "failed"
    assert "not finite" in manifest["error"]


def test_a_loss_that_is_not_finite_can_be_skipped_and_is_counted(tiny: Tiny) -> None:
    runtime = {"on_nonfinite": "skip", "eval_interval": 100}
    with pytest.raises(DivergedError, match="validation loss is not finite at step 12"):
        train(tiny(train={"optim": {"learning_rate": 1e30}, "runtime": runtime}))
    lines = [json.loads(line) for line in (FOLDER / "metrics.jsonl").read_text().splitlines()]
    counts = [line["train/skipped_updates"] for line in lines if "train/skipped_updates" in line]
    assert counts == list(range(1, len(counts) + 1))
    assert counts
    state = last(FOLDER).checkpoint["state"]
    assert int(state["skipped"]) == counts[-1]
    assert all(bool(tensor.isfinite().all()) for tensor in state["model"].values())


def test_a_full_disk_is_refused_before_writing_with_the_bytes_needed(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nearly_full(_path: Path) -> tuple[int, int, int]:
        return usage._replace(free=1000)

    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    with pytest.raises(CheckpointError, match=r"a checkpoint needs [\d,]+ bytes and 1,000 are free"):
        train(tiny())
    assert not list(FOLDER.glob("*ckpt*"))


def test_a_compiled_model_learns_the_same(tiny: Tiny) -> None:
    train(tiny(train={"runtime": {"out_dir": "plain", "max_iters": 4}}))
    train(tiny(train={"runtime": {"out_dir": "compiled", "max_iters": 4, "compile": "on"}}))
    losses = [read_manifest(Path(name), "ckpt_last") for name in ("plain", "compiled")]
    assert losses[0] is not None
    assert losses[1] is not None
    assert losses[0].val_loss == pytest.approx(losses[1].val_loss, abs=1e-4)


def test_a_second_writer_is_refused_with_the_firsts_process(tiny: Tiny) -> None:
    config = tiny()
    with lock(FOLDER / ".lock"), pytest.raises(RunFolderError, match=rf"process {os.getpid()} on .* is writing here"):
        train(config)
    train(config)


def test_a_text_too_short_for_the_block_is_refused_before_anything_is_written(tiny: Tiny) -> None:
    config = tiny(train={"data": {"block_size": 4000}})
    with pytest.raises(DataError, match=r"too few for train\.data\.block_size = 4000"):
        train(config)
    assert not (FOLDER / "run.json").exists()


def test_a_device_that_is_not_there_is_refused(tiny: Tiny) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(UserError, match="there is no 'cuda' on this machine"):
        train(tiny(train={"runtime": {"device": "cuda"}}))
