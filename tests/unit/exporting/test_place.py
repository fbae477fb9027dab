"""Folders of exports: whole or absent, and nobody else's files are touched."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_playground.errors import RunError, UserError
from ml_playground.exporting.place import move_aside, placing, write_record


def export(folder: Path, text: str = "weights") -> None:
    with placing(folder) as partial:
        (partial / "model").write_text(text)
        write_record(partial, {"step": 1})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.endswith(".lock")}


def test_an_export_appears_whole_and_replaces_an_earlier_one(tmp_path: Path) -> None:
    for text in ("first", "second"):
        export(tmp_path / "hf", text)
        assert (tmp_path / "hf" / "model").read_text() == text
    assert names(tmp_path) == {"hf"}


def test_a_failed_export_leaves_the_earlier_one(tmp_path: Path) -> None:
    export(tmp_path / "hf")
    with pytest.raises(RunError, match="the disk is full; make room; nothing is left"), placing(tmp_path / "hf"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == {"hf"}
    assert (tmp_path / "hf" / "model").read_text() == "weights"


def foreign_folder(folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")


def foreign_file(folder: Path) -> None:
    folder.write_text("mine")


def added_file(folder: Path) -> None:
    export(folder)
    (folder / "mine.txt").write_text("mine")


def changed_file(folder: Path) -> None:
    export(folder)
    (folder / "model").write_text("mine")


def another_record(folder: Path) -> None:
    folder.mkdir()
    (folder / "export.json").write_text('{"format": "theirs"}')


def link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to("elsewhere")


@pytest.mark.parametrize("prepare", [foreign_folder, foreign_file, added_file, changed_file, another_record, link])
@pytest.mark.parametrize("name", ["hf", "hf.rejected"])
def test_what_no_export_wrote_is_refused_and_kept(tmp_path: Path, prepare: Callable[[Path], None], name: str) -> None:
    prepare(tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and ".lock" not in path.name}
    with pytest.raises(UserError, match=r"move it away, or set another export\.export_dir"):
        export(tmp_path / "hf")
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and ".lock" not in path.name}
    assert after == before


@pytest.mark.parametrize("left", [".hf.partial", ".hf.old"])
def test_what_a_killed_export_left_is_cleared_away(tmp_path: Path, left: str) -> None:
    export(tmp_path / "hf", "old")
    os.replace(tmp_path / "hf", tmp_path / left)
    export(tmp_path / "hf", "new")
    assert names(tmp_path) == {"hf"}


def test_an_export_that_was_being_replaced_when_the_process_was_killed_comes_back(tmp_path: Path) -> None:
    export(tmp_path / "hf", "old")
    os.replace(tmp_path / "hf", tmp_path / ".hf.old")
    with pytest.raises(RunError), placing(tmp_path / "hf"):
        raise OSError
    assert (tmp_path / "hf" / "model").read_text() == "old"


def test_a_rejected_export_is_moved_aside(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with placing(tmp_path / "hf") as partial:
            (partial / "model").write_text(text)
            write_record(partial, {"rejected": "wrong"})
            assert move_aside(partial, tmp_path / "hf") == tmp_path / "hf.rejected"
        assert names(tmp_path) == {"hf.rejected"}
        assert (tmp_path / "hf.rejected" / "model").read_text() == text


def test_two_exports_to_the_same_folder_are_not_mixed(tmp_path: Path) -> None:
    with placing(tmp_path / "hf") as partial:
        with pytest.raises(UserError, match="is exporting to it; wait for it"):
            export(tmp_path / "hf")
        write_record(partial, {})
    assert names(tmp_path) == {"hf"}
