"""Forms of a prompt."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.sampling.prompt import encode_prompt, read_prompt
from ml_playground.text.char import CharTokenizer


def test_a_prompt_is_read_as_a_text_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "prompt.txt").write_bytes("\ufeffHi\r\nyou\r".encode())
    assert read_prompt("Hi\r\nyou\r") == read_prompt("FILE:~/prompt.txt") == "Hi\nyou\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [("gone", "cannot be read"), ("pipe", "not a regular file"), ("latin", "byte 1 is not UTF-8"), ("empty", "empty"),
     (".", "Is a directory"), ("a\0b", "cannot be read")],
)  # fmt: skip
def test_a_file_that_is_no_prompt_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    Path("latin").write_bytes(b"H\xe4")
    Path("empty").touch()
    with pytest.raises(DataError, match=f"^sample.sample.start: .*{problem}"):
        read_prompt(f"FILE:{name}")


def test_the_other_form_of_an_accent_is_hinted_at() -> None:
    tokenizer = CharTokenizer.train([["a\u0308o".encode()]])
    with pytest.raises(DataError, match="the training text has them decomposed"):
        encode_prompt("\u00e4", tokenizer)
    with pytest.raises(DataError, match="use characters of the training text"):
        encode_prompt("\u00e4x", tokenizer)
    assert encode_prompt("o", tokenizer)
