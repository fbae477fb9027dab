"""``mlp clean``."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

import pytest

from ml_playground import cli
from ml_playground.durable import lock
from ml_playground.errors import RunFolderError, UsageError
from ml_playground.runs.cleaning import empty_trash, move_to_trash
from ml_playground.runs.leftovers import find_leftovers
from ml_playground.runs.notes import archive, refer
from ml_playground.runs.train import train
from tests.integration import children
from tests.integration.children import Hook
from tests.integration.conftest import Tiny
from tests.unit.runs.folders import write_run

OUTPUTS = Path("outputs")
KILL = signal.SIGKILL


def fill() -> None:
    """Runs to keep and to remove, and what lies around them."""
    for name in ("old", "older", "kept"):
        write_run(OUTPUTS / name, settings={"train.runtime.ckpt_top_k": 0, "train.runtime.out_dir": f"outputs/{name}"})
    for name in ("old", "older"):
        archive(OUTPUTS / name, archived=True)
    for file in (
        "ckpt_last.pt",
        "ckpt_step000010.pt",
        "ckpt_step000010.json",
        ".ckpt_last.pt.tmp",
        "my.tmp",
        ".my.tmp",
    ):
        (OUTPUTS / "kept" / file).write_bytes(os.urandom(1000))
    (OUTPUTS / "kept/ckpt_step000010_mine.pt").write_bytes(b"mine")


def contents() -> list[bytes]:
    """Every file below the working directory, wherever it is, but locks and logs."""
    ignored = (".lock", "child.log")
    return sorted(path.read_bytes() for path in Path().rglob("*") if path.is_file() and path.name not in ignored)


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def paths() -> set[str]:
    return {str(path) for leftover in find_leftovers(OUTPUTS) for path in leftover.paths}


def test_only_what_nothing_needs_is_moved_and_the_bytes_are_those_that_were_promised() -> None:
    fill()
    before, leftovers = contents(), find_leftovers(OUTPUTS)
    assert paths() == {
        "outputs/old", "outputs/older", "outputs/kept/ckpt_step000010.pt", "outputs/kept/ckpt_step000010.json",
        "outputs/kept/.ckpt_last.pt.tmp",
    }  # fmt: skip
    promised = sum(leftover.bytes for leftover in leftovers)
    trash, moved = move_to_trash(OUTPUTS, leftovers)
    assert moved == promised
    assert contents() == before
    assert (trash / "old/run.json").exists()
    assert find_leftovers(OUTPUTS) == []
    assert empty_trash(OUTPUTS) == promised
    assert sum(map(len, before)) - sum(map(len, contents())) == promised
    assert empty_trash(OUTPUTS) == 0


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("moment", range(1, 6))
def test_killed_at_any_rename_nothing_is_lost_and_the_next_start_does_the_rest(
    moment: int, when: Literal["before", "after"]
) -> None:
    fill()
    before, promised = contents(), sum(leftover.bytes for leftover in find_leftovers(OUTPUTS))
    process = children.start_cleaning(Path.cwd(), Hook("os:rename", moment, KILL, when))
    process.join(60)
    assert process.exitcode == -KILL
    assert contents() == before
    assert (OUTPUTS / "kept/run.json").exists()
    move_to_trash(OUTPUTS, find_leftovers(OUTPUTS))
    assert contents() == before
    assert empty_trash(OUTPUTS) == promised


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.nightly)])
def test_killed_at_random_moments_nothing_is_lost_and_the_bytes_are_those_that_were_promised(kills: int) -> None:
    fill()
    kept = {path: path.read_bytes() for path in (OUTPUTS / "kept").rglob("*") if path.is_file()}
    for number in range(20 + 10 * kills):
        archive(write_run(OUTPUTS / f"run-{number}"), archived=True)
    leftovers, moments = find_leftovers(OUTPUTS), random.Random(kills)
    before, removed = contents(), {path for leftover in leftovers for path in leftover.paths}
    codes: set[int | None] = set()
    for _ in range(kills):
        codes.add(kill_soon(children.start_cleaning(Path.cwd()), moments))
        assert contents() == before
    assert codes <= {-KILL, 0}  # on a busy machine it may be done before its kill
    assert kills < 20 or -KILL in codes
    move_to_trash(OUTPUTS, find_leftovers(OUTPUTS))
    assert contents() == before
    kill_soon(children.start_cleaning(Path.cwd(), empty_trash=True), moments)
    empty_trash(OUTPUTS)
    promised = sum(leftover.bytes for leftover in leftovers)
    assert sum(map(len, before)) - sum(map(len, contents())) == promised
    assert {path: path.read_bytes() for path in kept if path not in removed} == {
        path: content for path, content in kept.items() if path not in removed
    }


def kill_soon(process: ForkServerProcess, moments: random.Random) -> int | None:
    """Kill a child that cleans up, mostly while it moves or deletes."""

    def state() -> set[Path]:
        return {*OUTPUTS.iterdir(), *(OUTPUTS / ".trash").glob("*")}

    (OUTPUTS / ".trash").mkdir(exist_ok=True)
    first = state()
    while moments.random() < 0.9995 and process.is_alive() and state() == first:
        time.sleep(0.0002)
    time.sleep(moments.uniform(0, 0.02))
    process.kill()
    process.join(60)
    return process.exitcode


def test_a_run_is_kept_while_something_needs_it(capsys: pytest.CaptureFixture[str]) -> None:
    fill()
    with lock(OUTPUTS / "old/.lock"):
        assert "outputs/old" not in paths()
        with pytest.raises(RunFolderError, match="outputs/old: is kept, because a process is writing in it"):
            cli.run(["clean", "old", "--yes"])
    page = Path("page.html")
    page.touch()
    refer(OUTPUTS / "old", page)
    assert "outputs/old" not in paths()
    page.unlink()
    assert "outputs/old" in paths()
    write_run(OUTPUTS / "again", repeat_of="outputs/old")
    assert "outputs/old" not in paths()
    write_run(OUTPUTS / "finer", settings={"train.model.init_from": "outputs/older/ckpt_best.pt"})
    assert "outputs/older" not in paths()
    with pytest.raises(RunFolderError, match=r"because .*/outputs/finer refers to ckpt_best\.pt"):
        cli.run(["clean", "older", "--yes"])


def test_a_trial_is_kept_and_a_seed_can_be_named() -> None:
    trial = write_run(OUTPUTS / "sweeps/s/trials/0000", params={"train.data.batch_size": 4})
    archive(trial, archived=True)
    assert paths() == set()
    with pytest.raises(RunFolderError, match="is kept, because it is a trial of a sweep"):
        cli.run(["clean", str(trial), "--yes"])
    for seed in (1, 2):
        write_run(OUTPUTS / f"x/seed-{seed}", seed=seed)
    cli.run(["clean", "x", "--yes"])
    assert list((OUTPUTS / "x").iterdir()) == []


def test_data_is_moved_when_the_last_run_that_used_it_is_gone(tiny: Tiny, workspace: Path) -> None:
    os.chdir(workspace)
    train(tiny())
    (data,) = OUTPUTS.glob("data/*/meta.json")
    os.utime(data, (0, 0))
    assert paths() == set()
    cli.run(["clean", "tiny", "--yes"])
    assert paths() == {str(data.parent)}
    (data.parent / "mine.txt").touch()
    assert paths() == set(), "a foreign file is not touched"
    (data.parent / "mine.txt").unlink()
    (OUTPUTS / "sweeps/new").mkdir(parents=True)
    assert paths() == set(), "the sweep may use it"
    (OUTPUTS / "sweeps/new").rmdir()
    data.touch()
    assert paths() == set(), "a run may be about to use it"
    os.utime(data, (0, 0))
    cli.run(["clean", "--yes"])
    train(tiny())


def test_a_checkpoint_that_ckpt_top_k_no_longer_keeps_is_moved(tiny: Tiny, workspace: Path) -> None:
    os.chdir(workspace)
    tiny(train={"runtime": {"ckpt_top_k": 1}})
    # The first two deletions are of generations left by an earlier run.
    hook = Hook("ml_playground.training.checkpoint:delete", 3, signal.SIGKILL)
    assert children.finish(workspace, workspace / "changed.toml", hook) == -signal.SIGKILL
    folder = OUTPUTS / "tiny"
    assert sorted(path.name for path in folder.glob("ckpt_step*.pt")) == ["ckpt_step000000.pt", "ckpt_step000004.pt"]
    (leftover,) = find_leftovers(OUTPUTS)
    assert leftover.reason == "ckpt_top_k = 1 keeps better ones"
    assert set(leftover.paths) == set(folder.glob("ckpt_step000000.*"))
    (folder / "ckpt_last.pt").write_bytes(b"damaged")
    assert paths() == set(), "which ones are the best is not known"


def test_without_a_terminal_nothing_is_moved_unless_told(capsys: pytest.CaptureFixture[str]) -> None:
    fill()
    cli.run(["clean"])
    out = capsys.readouterr().out
    assert "run         outputs/old" in out
    assert "nothing is done without --yes" in out
    assert (OUTPUTS / "old").exists()
    cli.run(["clean", "--json"])
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (record["moved_bytes"], record["trash"], len(record["items"])) == (0, None, 4)
    cli.run(["clean", "--json", "--yes"])
    moved = json.loads(capsys.readouterr().out)
    assert moved["moved_bytes"] == record["bytes"] > 0
    cli.run(["clean", "--empty-trash"])
    assert Path(moved["trash"]).exists()
    capsys.readouterr()
    cli.run(["clean", "--empty-trash", "--yes", "--json"])
    assert json.loads(capsys.readouterr().out)["freed"] == record["bytes"]
    assert not (OUTPUTS / ".trash").exists()
    with pytest.raises(UsageError, match="names no run"):
        cli.run(["clean", "kept", "--empty-trash"])
