"""Texts that are none: one clear line, exit code 2, and nothing half-written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Invoke, start

CONFIG = """
defaults = ["bundestag_char"]
[prepare]
input = "{input}"
tokenizer = "{tokenizer}"
vocab_size = 300
"""
# What is at "text", and a part of the line that it ends in.
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "text: is empty; put text into it"),
    "one character": (b"x", "1 characters are too few to split into train and val"),
    "only a byte order mark": (b"\xef\xbb\xbf", "0 characters are too few"),
    "binary": (bytes(range(256)) * 8, "is NUL, so this is not text"),
    "NUL bytes": (b"text\0text", "byte 4 is NUL"),
    "UTF-16": ("Größe".encode("utf-16"), "is NUL, so this is not text in UTF-8 or cp1252; save it as UTF-8"),
    "neither encoding": (b"Gr\x81\xff\x8d", "byte 2 (in line 1) is not UTF-8; fix that place"),
    "unpaired surrogates": ("Gr\ud800\u014f".encode("utf-8", "surrogatepass"), "byte 2 (in line 1) is not UTF-8"),
    "cut XML": (b"<dbtplenarprotokoll>", "is not well-formed XML"),
    "another XML": (b"<html></html>", "its root element is 'html'"),
}


def write(workspace: Path, tokenizer: str = "char") -> None:
    (workspace / "my.toml").write_text(CONFIG.format(input="text", tokenizer=tokenizer), encoding="utf-8")


def refused(invoke: Invoke, workspace: Path, problem: str) -> None:
    before = set(workspace.rglob("*"))
    result = invoke("mlp", "prepare", "bundestag_char", "--exp-config", "my.toml")
    assert result.code == 2
    assert result.out == ""
    assert problem in result.err
    assert "Traceback" not in result.err
    lines = [line for line in result.err.splitlines() if not line.startswith("data: ")]
    assert len(lines) == 1, result.err
    left = set(workspace.rglob("*")) - before
    assert [path for path in left if path.is_file() and path.suffix != ".lock"] == []


@pytest.mark.parametrize("tokenizer", ["char", "char_ngram", "bpe"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files(invoke: Invoke, workspace: Path, name: str, tokenizer: str) -> None:
    content, problem = HOSTILE[name]
    write(workspace, tokenizer)
    (workspace / "text").write_bytes(content)
    refused(invoke, workspace, problem)


def test_a_missing_file(invoke: Invoke, workspace: Path) -> None:
    write(workspace)
    refused(invoke, workspace, "text: cannot be read: No such file or directory")


def test_folders_without_files(invoke: Invoke, workspace: Path) -> None:
    write(workspace)
    (workspace / "text" / "sub").mkdir(parents=True)
    refused(invoke, workspace, "text: holds no .txt or .xml file; put texts or protocols into it")
    (workspace / "text" / "sub" / "a.txt").touch()
    refused(invoke, workspace, "a.txt: is empty")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(invoke: Invoke, workspace: Path) -> None:
    write(workspace)
    (workspace / "text").write_text("text", encoding="utf-8")
    (workspace / "text").chmod(0)
    refused(invoke, workspace, "text: cannot be read: Permission denied")


def test_an_input_that_is_no_file(invoke: Invoke, workspace: Path) -> None:
    (workspace / "my.toml").write_text(CONFIG.format(input="/proc/self/mem", tokenizer="char"), encoding="utf-8")
    refused(invoke, workspace, "/proc/self/mem: cannot be read: ")


def test_a_dataset_folder_that_cannot_be_made(invoke: Invoke, workspace: Path) -> None:
    text = CONFIG.format(input="input.txt", tokenizer="char") + 'dataset_dir = "input.txt/data"\n'
    (workspace / "my.toml").write_text(text, encoding="utf-8")
    refused(invoke, workspace, "data cannot be prepared: input.txt")


@pytest.mark.parametrize("tokenizer", ["char", "bpe"])
@pytest.mark.parametrize("unit", ["Wort ", "x", " "], ids=["words", "one word", "blanks"])
def test_a_single_long_line_is_text(workspace: Path, tokenizer: str, unit: str) -> None:
    write(workspace, tokenizer)
    (workspace / "text").write_text(unit * (1_200_000 // len(unit)), encoding="utf-8")
    process = start(workspace, "cli", "prepare", "bundestag_char", "--exp-config", "my.toml")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "1,200,000" in out
