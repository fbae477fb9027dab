"""TOML files that are odd, damaged, or not what their names say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ml_playground.commands.listing import experiment_lines, sweep_lines
from ml_playground.composition.directories import experiment_files
from ml_playground.composition.documents import read_document
from ml_playground.composition.load import load_experiment
from ml_playground.errors import ConfigError


def refused(text: str | bytes) -> str:
    Path("x.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as error:
        load_experiment("bundestag_char", Path("x.toml"))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_byte_order_mark_and_windows_line_ends_are_read(workspace: Path) -> None:
    text = (workspace / "tiny.toml").read_text(encoding="utf-8")
    Path("x.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_experiment("bundestag_char", Path("x.toml")).train.model.args(1)["n_embd"] == 16
    assert refused(b"\xef\xbb\xbf\r\n[train.data]\r\nbatch_sizes = 1").startswith("x.toml:3: train.data.batch_sizes: ")


def test_only_line_feeds_end_lines(workspace: Path) -> None:
    odd = 'description = "a\u2028b\u2029c\u0085d"\n[train.data]\nbatch_sizes = 1\n'
    assert refused(odd).startswith("x.toml:3: train.data.batch_sizes: unknown key")


def test_a_key_in_quotes_is_told_from_a_dotted_one(workspace: Path) -> None:
    line = '\n"train.data.batch_size" = 4\n'
    assert refused(line) == (
        "x.toml:2: train.data.batch_size: unknown key; a name in quotes is one key; remove the quotes:"
        " train.data.batch_size = ..."
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"[train.data]\nbatch_size = {'9' * 5000}", "x.toml:2: not valid TOML: Exceeds the limit"),
        (f"[train.data]\nbatch_size = 0x{'f' * 5000}", "x.toml:2: train.data.batch_size: is an integer of more than"),
        (f"[train.data]\nbatch_size = {10**30}", "x.toml:2: train.data.batch_size: is an integer of more than 64 bits"),
        (f"a = {'[' * 3000}{']' * 3000}", "x.toml: not valid TOML: nested too deeply"),
        (f"a = {'[' * 100}{']' * 100}", "x.toml:1: a: nested more than 50 levels deep"),
        (f"{'a.' * 100}b = 1", "x.toml:1: a.a.a"),
        ('[train.data]\nbatch_size = "${train.data.batch_size}"', "x.toml:2: train.data.batch_size: "),
    ],
)
def test_extremes_are_refused(workspace: Path, text: str, problem: str) -> None:
    assert refused(text).startswith(problem)


def test_a_pipe_keeps_nobody_waiting(workspace: Path) -> None:
    os.mkfifo("pipe.toml")
    with pytest.raises(ConfigError, match=r"^pipe\.toml: cannot be read: is not a regular file"):
        load_experiment("bundestag_char", Path("pipe.toml"))


@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbf\xef\xbb\xbf")
def test_bytes_are_a_table_or_an_error_of_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(data)
    try:
        read_document(path)
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017  # bytes may as well be TOML


def test_listings_leave_out_what_nobody_means_and_name_what_is_broken(workspace: Path) -> None:
    for folder, lines in (("conf/experiment", experiment_lines), ("sweeps", sweep_lines)):
        root = workspace / folder
        root.mkdir(parents=True)
        (root / "mine.toml").write_text('description = "two\\nlines \\u001b[31m"', encoding="utf-8")
        (root / "broken.toml").write_bytes(b"\xff")
        (root / "._x.toml").write_bytes(b"\xff")
        (root / ".#y.toml").symlink_to("me@host.4711")
        (root / "z.toml").symlink_to("nowhere")
        (root / "folder.toml").mkdir()
        shown = {line.split()[0]: line for line in lines().splitlines()}
        assert {"mine", "broken"} <= shown.keys()
        assert not {"._x", ".#y", "z", "folder"} & shown.keys()
        assert "not UTF-8" in shown["broken"]
        assert "\x1b" not in shown["mine"]
    assert "mine" in experiment_files()
