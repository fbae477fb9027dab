from __future__ import annotations

from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.text.source import TextFile, TextInMemory

TEXT = "Präsident: „Guten Morgen“ – die Straße\nist gesperrt.\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_any_usual_encoding_and_line_end_reads_right(tmp_path: Path, encoding: str, line_end: str) -> None:
    path = tmp_path / "input.txt"
    path.write_bytes(TEXT.replace("\n", line_end).encode(encoding))
    assert b"".join(TextFile(path).chunks()).decode() == TEXT


def test_a_long_file_comes_in_pieces(tmp_path: Path) -> None:
    text = "Straße, Größe, Übung\n" * 400_000
    (tmp_path / "long.txt").write_text(text, encoding="utf-8", newline="\r\n")
    pieces = list(TextFile(tmp_path / "long.txt").chunks())
    assert len(pieces) > 1
    assert b"".join(pieces).decode() == text


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    for name, text in {"a": "eins", "b": "eins", "c": "zwei"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    a, b, c = (TextFile(tmp_path / name).fingerprint for name in "abc")
    assert a == b != c
    assert TextInMemory("x", "eins").fingerprint != TextInMemory("x", "zwei").fingerprint


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"text\0more", "byte 4 is NUL"),
        ("text".encode("utf-16"), "is NUL"),
        (b"\x81\xff", "neither UTF-8 nor cp1252"),
    ],
)
def test_what_is_no_text_is_refused_with_the_file_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "input.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as error:
        _ = TextFile(path).fingerprint
    assert str(path) in str(error.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.txt", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            _ = TextFile(path).fingerprint
