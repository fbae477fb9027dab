"""``mlp repeat``, and ``mlp show`` on runs that were trained."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from ml_playground import cli
from ml_playground.errors import RunFolderError, Stopped
from ml_playground.runs.details import find_details
from ml_playground.runs.groups import load_run
from ml_playground.runs.manifest import RunManifest, read_manifest
from ml_playground.runs.notes import add_note
from ml_playground.runs.repeat import compare_repetition, repeat
from ml_playground.runs.train import train
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import LAST
from ml_playground.training.tracking import Tracker
from tests.integration.conftest import Tiny, differences, last

FOLDER = Path("outputs/tiny")


def test_a_repetition_is_bit_equal_and_leaves_the_original_alone(tiny: Tiny) -> None:
    train(tiny())
    before = {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    result = repeat("outputs/tiny")
    assert (result.equal, result.evaluations, result.weights_equal, result.changed) == (True, 4, True, {})
    assert result.folder == Path("outputs/tiny-repeat")
    assert read_manifest(result.folder).repeat_of == "outputs/tiny"
    assert differences(last(FOLDER).checkpoint, last(result.folder).checkpoint) == []
    assert {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()} == before
    assert result.text.startswith("bit-equal: 4 validation losses and the weights are the same in outputs/tiny-repeat")
    assert repeat("tiny").folder == Path("outputs/tiny-repeat-2")


def test_what_differs_is_named(tiny: Tiny) -> None:
    train(tiny())
    manifest = read_manifest(FOLDER)
    manifest.git, manifest.versions = {"commit": "c0ffee", "dirty": True}, {**manifest.versions, "torch": "1.0"}
    manifest.write(FOLDER)
    config = FOLDER / "config.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("learning_rate = 0.003", "learning_rate = 0.004"), encoding="utf-8")
    result = repeat("tiny")
    assert not result.equal
    assert (result.first_difference, result.weights_equal) == (4, False)
    assert {"commit", "uncommitted changes", "torch"} == result.changed.keys()
    assert "differs from step 4 on; commit: c0ffee before" in result.text
    assert "torch: 1.0 before" in result.text


def test_an_interrupted_repetition_is_resumed(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tiny())
    log = Tracker.log

    def interrupt(tracker: Tracker, step: int, *arguments: Any) -> None:
        log(tracker, step, *arguments)
        if step == 6:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "log", interrupt)
        with pytest.raises(Stopped):
            repeat("tiny")
    result = repeat("tiny")
    assert result.equal
    assert result.folder == Path("outputs/tiny-repeat")
    assert read_manifest(result.folder).resumed_from == 6


def test_the_original_may_be_unfinished(tiny: Tiny) -> None:
    train(tiny())
    for path in FOLDER.glob("ckpt_*"):
        path.unlink()
    result = repeat("tiny")
    assert (result.equal, result.weights_equal) == (True, None)


def test_a_run_is_shown_with_what_can_be_done_with_it(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny(train={"optim": {"learning_rate": 0.02}})
    train(config)
    add_note(FOLDER, "much\x1b[2Jbetter")
    details = find_details("tiny")
    assert details.changed is not None
    assert details.changed["train.optim.learning_rate"][0] == 0.02
    assert not any(key.startswith(("sample.", "export.")) for key in details.changed)
    assert [checkpoint.step for checkpoint in details.checkpoints] == [12, 8, 12]
    assert details.sample is not None
    assert details.sample[0] == 12
    assert "resume" not in details.commands
    capsys.readouterr()
    cli.run(["show", "tiny"])
    out = capsys.readouterr().out
    for part in ("outputs/tiny  finished at step 12 of 12", r"much\x1b[2Jbetter", "mlp repeat outputs/tiny"):
        assert part in out
    assert len(out.splitlines()) < 100
    cli.run(["show", "tiny", "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["run"]["best_val_loss"] == read_manifest(FOLDER).best_val_loss
    assert record["notes"][0]["text"] == "much\x1b[2Jbetter"
    assert record["curve"]["step"] == [0, 4, 8, 12]


def test_the_commands_of_an_interrupted_run_work(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny(train={"runtime": {"max_iters": 8}}))
    manifest = read_manifest(FOLDER)
    manifest.status = "running"  # as a kill leaves it
    manifest.write(FOLDER)
    commands = find_details("tiny").commands
    for name in ("resume", "sample"):
        cli.run(commands[name].split()[1:])
    assert "finished at step 8" not in capsys.readouterr().out


def test_what_is_no_run_is_refused_in_one_line(tiny: Tiny) -> None:
    with pytest.raises(RunFolderError, match="nowhere: no such run"):
        find_details("nowhere")
    (FOLDER / "seed-1").mkdir(parents=True)
    RunManifest("tiny", "finished", 12, "data", "cpu").write(FOLDER / "seed-1")
    with pytest.raises(RunFolderError, match=r"outputs/tiny: has no run\.json .* such as outputs/tiny/seed-1"):
        repeat("tiny")


def test_weights_are_compared_where_both_runs_have_a_checkpoint_of_the_same_step(tiny: Tiny) -> None:
    train(tiny())
    original, other = load_run("tiny"), Path("outputs/other")
    shutil.copytree(original.folder, other)
    assert compare_repetition(original, other).equal
    checkpoint = last(other).checkpoint
    next(iter(checkpoint["state"]["model"].values())).add_(1)
    checkpoints.save(other, LAST, checkpoint, 12, None)
    found = compare_repetition(original, other)
    assert (found.equal, found.weights_equal, found.first_difference) == (False, False, None)
    assert f"not equal: {other} differs in the weights only" in found.text
    checkpoint["state"]["progress"]["step"] = 8
    checkpoints.save(other, LAST, checkpoint, 8, None)
    found = compare_repetition(original, other)
    assert (found.equal, found.weights_equal) == (True, None)
