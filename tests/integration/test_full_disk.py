"""A disk that is full is one line that says so; when there is room again, the same command goes on."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Self, cast

import pytest

from ml_playground.config import ExperimentConfig
from ml_playground.errors import CheckpointError, RunError
from ml_playground.runs.train import train
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import BEST, LAST
from tests.checkpoints import content
from tests.integration.conftest import Tiny, differences, last

FULL = "the disk is full"
POSITIONS = range(10)


class FullFile:
    """A file on a disk that takes some more writes, and half of the next."""

    def __init__(self, file: IO[bytes], disk: FullDisk) -> None:
        self._file = file
        self._disk = disk
        self.name, self.fileno = file.name, file.fileno

    def write(self, data: bytes) -> int:
        self._disk.writes += 1
        if self._disk.is_full:
            self._file.write(bytes(data)[: len(data) // 2])
            raise no_space()
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()


class FullDisk:
    """Makes writing of the files that pass ``concerns`` fail from the given write on, counted from 1."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, concerns: Callable[[Path], bool], position: int) -> None:
        self.writes = 0
        self._position = position
        real_open = Path.open

        def path_open(path: Path, mode: str = "r", *arguments: Any, **keywords: Any) -> object:
            opened = real_open(path, mode, *arguments, **keywords)
            return FullFile(cast("IO[bytes]", opened), self) if mode == "wb" and concerns(path) else opened

        monkeypatch.setattr(Path, "open", path_open)

    @property
    def is_full(self) -> bool:
        return 0 < self._position <= self.writes


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def is_checkpoint(path: Path) -> bool:
    return "ckpt_" in path.name


def is_in_run_folder(path: Path) -> bool:
    return path.parent.name == "parts"


def folder_config(tiny: Tiny, folder: Path | str) -> ExperimentConfig:
    return tiny(train={"runtime": {"out_dir": str(folder)}})


def check_after_failure(folder: Path, error: RunError, *, kept: int | None) -> None:
    """``kept``: the least step that must be found."""
    text = str(error)
    assert "\n" not in text
    assert text.startswith(f"{folder}: ")
    assert FULL in text
    assert "make room, then run the same command again" in text
    assert [path.name for path in folder.rglob("*") if path.name.endswith(".tmp")] == []
    found = checkpoints.find(folder, LAST)
    if kept is not None:
        assert found is not None
        assert found.step >= kept
    if (folder / "run.json").exists():
        assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["status"] in ("running", "failed")


def check_going_on(tiny: Tiny, config: ExperimentConfig) -> None:
    """The same command ends with the same bits, in every file, as one that was never interrupted."""
    train(config)
    train(folder_config(tiny, "whole"))
    folder = config.train.runtime.out_dir
    for name in (LAST, BEST):
        one, other = (checkpoints.find(place, name) for place in (Path("whole"), folder))
        assert one is not None
        assert other is not None
        assert one.step == other.step
        assert differences(one.checkpoint, other.checkpoint) == []
    assert losses(folder) == losses(Path("whole"))
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["status"] == "finished"


def losses(folder: Path) -> list[tuple[object, ...]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, object]] = [json.loads(line) for line in lines]
    return [(row["step"], row.get("train/loss"), row.get("val/loss")) for row in rows]


@pytest.mark.parametrize("concerns", [is_checkpoint, is_in_run_folder])
@pytest.mark.parametrize("tenth", POSITIONS)
def test_a_disk_that_gets_full_at_any_write_is_said_and_nothing_is_lost(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, tenth: int, concerns: Callable[[Path], bool]
) -> None:
    config = folder_config(tiny, "parts")
    with monkeypatch.context() as patch:
        counter = FullDisk(patch, concerns, 0)
        train(config)
    shutil.rmtree("parts")
    # The last tenth ends with the very last write; the others fall into all of the run's saves and copies.
    position = max(1, counter.writes * (tenth + 1) // len(POSITIONS))
    with monkeypatch.context() as patch:
        FullDisk(patch, concerns, position)
        with pytest.raises(RunError) as caught:
            train(config)
    check_after_failure(Path("parts"), caught.value, kept=0 if tenth >= 3 else None)
    check_going_on(tiny, config)


@pytest.mark.parametrize("position", POSITIONS)
def test_a_save_that_finds_the_disk_full_keeps_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """torch covers the system's error with one of its own at some positions."""
    checkpoints.save(tmp_path, LAST, content(1), 1, None)
    before = {path.name for path in tmp_path.iterdir()}
    with monkeypatch.context() as patch:
        FullDisk(patch, is_checkpoint, 3 * position + 1)
        with pytest.raises(CheckpointError, match=FULL):
            checkpoints.save(tmp_path, LAST, content(2), 2, None)
    assert {path.name for path in tmp_path.iterdir()} == before
    assert last(tmp_path).step == 1


@pytest.mark.parametrize("call", range(1, 6))
def test_a_disk_that_says_so_only_when_it_is_synced_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    checkpoints.save(tmp_path, LAST, content(1), 1, None)
    fsync, calls = os.fsync, 0

    def fail(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls >= call:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError, match=FULL):
            checkpoints.save(tmp_path, LAST, content(2), 2, None)
    assert not list(tmp_path.glob(".*"))
    found = last(tmp_path)
    assert found.step in (1, 2)
    checkpoints.promote(found)
    checkpoints.save(tmp_path, LAST, content(3), 3, None)
    assert last(tmp_path).step == 3


def test_the_first_error_is_told_also_where_the_failure_cannot_be_written_down(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(train={"optim": {"learning_rate": 1e30}, "runtime": {"out_dir": "parts", "eval_interval": 100}})
    with monkeypatch.context() as patch:
        disk = FullDisk(patch, lambda path: "run.json" in path.name, 3)  # after the start and the first checkpoint
        with pytest.raises(RunError, match="is not finite"):
            train(config)
    assert disk.is_full
    assert json.loads(Path("parts/run.json").read_text(encoding="utf-8"))["status"] == "running"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of so many KiB; called again, changes its size."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small file system takes Linux and root")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def size(kibibytes: int) -> Path:
        nonlocal mounted
        options = f"size={kibibytes}k" if not mounted else f"remount,size={kibibytes}k"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")
        mounted = True
        return place

    try:
        yield size
    finally:
        if mounted:
            subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("kibibytes", "honest", "kept"),
    [(64, True, None), (420, True, 0), (500, True, 4), (8, False, None), (64, False, None), (150, False, 0),
     (270, False, 4)],
)  # fmt: skip
def test_a_small_disk(
    tiny: Tiny,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    small_disk: Callable[[int], Path],
    kibibytes: int,
    honest: bool,
    kept: int | None,
) -> None:
    """``honest``: whether the file system says how much is free; quotas and busy neighbours make that worthless."""
    folder = small_disk(kibibytes) / "run"
    config = folder_config(tiny, folder)
    elsewhere = shutil.disk_usage(".")
    with monkeypatch.context() as patch:
        if not honest:
            patch.setattr(shutil, "disk_usage", {folder: elsewhere}.get)
        with pytest.raises(RunError) as caught:
            train(config)
    check_after_failure(folder, caught.value, kept=kept)
    assert "Traceback" not in capfd.readouterr().err
    small_disk(16 * 1024)
    check_going_on(tiny, config)
