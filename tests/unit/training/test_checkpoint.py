from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import cast

import pytest
import torch

from ml_playground.errors import CheckpointError
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import Checkpoint
from ml_playground.training.checkpoint_manifest import BEST, LAST
from tests.checkpoints import content, weights_step


def save(folder: Path, step: int) -> None:
    checkpoints.save(folder, LAST, content(step), step, 1.5)


def test_what_was_saved_is_found(tmp_path: Path) -> None:
    save(tmp_path, 7)
    found = checkpoints.find(tmp_path, BEST, LAST)
    assert found is not None
    assert (found.step, found.rejected, found.path.name) == (7, [], "ckpt_last.pt")
    assert weights_step(found) == 7


def test_the_manifest_has_hash_size_step_and_metric(tmp_path: Path) -> None:
    save(tmp_path, 7)
    manifest = json.loads((tmp_path / "ckpt_last.json").read_text(encoding="utf-8"))
    assert manifest.keys() == {"sha256", "bytes", "step", "val_loss"}
    assert manifest["bytes"] == (tmp_path / "ckpt_last.pt").stat().st_size


def test_two_generations_are_kept_and_no_temporary_file(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["ckpt_last.json", "ckpt_last.prev.json", "ckpt_last.prev.pt", "ckpt_last.pt"]
    (tmp_path / "ckpt_last.prev.pt").replace(tmp_path / "ckpt_last.pt")
    found = checkpoints.find(tmp_path, LAST)
    assert found is not None
    assert found.step == 2


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_a_damaged_one_is_named_and_the_one_before_is_used(tmp_path: Path, damage: str) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    path = tmp_path / "ckpt_last.pt"
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    path.write_bytes({"truncated": bytes(data[:100]), "flipped": bytes(data), "emptied": b""}[damage])
    found = checkpoints.find(tmp_path, LAST)
    assert found is not None
    assert found.step == 1
    assert found.rejected == [f"{path} does not match its manifest's SHA-256"]


def test_a_new_file_whose_manifest_was_not_yet_written_gives_way_to_the_one_before(tmp_path: Path) -> None:
    save(tmp_path, 1)
    before = (tmp_path / "ckpt_last.json").read_bytes()
    save(tmp_path, 2)
    (tmp_path / "ckpt_last.json").write_bytes(before)
    found = checkpoints.find(tmp_path, LAST)
    assert found is not None
    assert found.step == 1


def test_where_all_are_damaged_nothing_is_trained_over(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / "ckpt_last.pt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"no checkpoint can be used: .*restore a good one"):
        checkpoints.find(tmp_path, LAST, BEST)


def test_a_deleted_checkpoint_means_a_fresh_start_whatever_older_generations_say(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    (tmp_path / "ckpt_last.pt").unlink()
    assert checkpoints.find(tmp_path, LAST, BEST) is None
    checkpoints.forget(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["ckpt_last.json"]


def test_a_copy_is_a_file_of_its_own_with_a_manifest(tmp_path: Path) -> None:
    save(tmp_path, 1)
    checkpoints.copy(tmp_path, LAST, BEST)
    (tmp_path / "ckpt_last.pt").write_bytes(b"x")
    found = checkpoints.find(tmp_path, BEST)
    assert found is not None
    assert found.step == 1
    checkpoints.delete(tmp_path, BEST)
    assert not list(tmp_path.glob("ckpt_best*"))


def test_without_hard_links_the_older_generation_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError("no links on this file system")

    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path, 1)
    save(tmp_path, 2)
    assert (tmp_path / "ckpt_last.prev.pt").exists()


def test_another_format_is_refused(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, LAST, cast("Checkpoint", {"format": 99}), 1, None)
    with pytest.raises(CheckpointError, match="has format 99; this version reads 1 and 2"):
        checkpoints.find(tmp_path, LAST)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]  # what pickle calls


@pytest.mark.parametrize("kind", ["torch", "pickle", "text", "empty"])
def test_loading_executes_nothing_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ckpt.pt"
    if kind == "torch":
        torch.save({"model": Bomb()}, path)
    else:
        path.write_bytes({"pickle": pickle.dumps(Bomb()), "text": b"no checkpoint", "empty": b""}[kind])
    with pytest.raises(CheckpointError, match=r"ckpt\.pt cannot be read: "):
        checkpoints.load_tensors(path)
    assert not Path("exploded").exists()


def test_a_checkpoint_without_its_manifest_is_told_what_is_missing(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / "ckpt_last.json").unlink()
    with pytest.raises(CheckpointError, match=r"ckpt_last\.json, which has its SHA-256, is missing; copy it"):
        checkpoints.find(tmp_path, LAST)


def test_a_pipe_in_place_of_a_checkpoint_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ckpt_last.pt")
    with pytest.raises(CheckpointError, match="not a regular file"):
        checkpoints.find(tmp_path, LAST)


def test_forgetting_removes_older_generations_and_no_copies_of_people(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    mine = tmp_path / "ckpt_last.prev.backup"
    mine.write_bytes(b"mine")
    checkpoints.forget(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ckpt_last.json", mine.name, "ckpt_last.pt"]


def test_to_resume_the_newest_good_checkpoint_is_used(tmp_path: Path) -> None:
    save(tmp_path, 1)
    save(tmp_path, 2)
    checkpoints.copy(tmp_path, LAST, BEST)
    found = checkpoints.find_last(tmp_path)
    assert found is not None
    assert (found.path.name, found.step) == ("ckpt_last.pt", 2)
    (tmp_path / "ckpt_last.pt").write_bytes(b"damaged")
    found = checkpoints.find_last(tmp_path)
    assert found is not None
    assert (found.path.name, found.step) == ("ckpt_best.pt", 2)  # not step 1 of ckpt_last.prev.pt
