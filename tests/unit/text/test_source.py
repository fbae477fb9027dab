from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

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
        (b"\x81\xff", r"byte 0 \(in line 1\) is not UTF-8"),
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


GERMAN = "Grüße aus Köln: „Schöne Straße“, sagte Frau Müller – für fünf Äpfel.\n"


@given(st.binary(max_size=300))
@example(b"\xef")  # of which Python's utf-8-sig makes nothing, and does not complain
@example(b"\xef\xbb")
def test_any_bytes_are_a_text_or_an_error_of_one_line(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.txt"
    path.write_bytes(data)
    try:
        text = b"".join(TextFile(path).chunks()).decode()
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017  # the bytes may as well be a text
    else:
        assert "\r" not in text


@given(st.text(st.sampled_from("aä ß„“–😀\n"), min_size=5), st.integers(0), st.integers(0x80, 0xFF))
def test_damaged_utf_8_is_never_taken_for_cp1252(
    tmp_path_factory: pytest.TempPathFactory, text: str, place: int, byte: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.txt"
    good = (GERMAN + text).encode()
    place %= len(good)
    for damaged in (good[:place] + bytes([byte]) + good[place + 1 :], good[:place]):
        path.write_bytes(damaged)
        bad = _bad_byte(damaged)
        if bad is not None:
            with pytest.raises(DataError, match=rf"byte {bad} \(in line \d+\) is not UTF-8; .*iconv"):
                _ = TextFile(path).fingerprint


def _bad_byte(data: bytes) -> int | None:
    """Python's own opinion."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


@given(st.text(st.sampled_from("abcdefg äöüÄÖÜß„“–€\n"), max_size=200))
def test_german_in_cp1252_is_read_as_what_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "german.txt"
    path.write_bytes((GERMAN * 5 + text).encode("cp1252"))
    assert b"".join(TextFile(path).chunks()).decode() == GERMAN * 5 + text


def test_a_single_odd_byte_is_no_reason_to_guess(tmp_path: Path) -> None:
    path = tmp_path / "input.txt"
    path.write_bytes(b"plain\n" * 1000 + b"caf\xe9\n" + b"plain\n" * 1000)
    with pytest.raises(DataError, match=r"byte 6003 \(in line 1001\) is not UTF-8"):
        _ = TextFile(path).fingerprint


def test_what_is_not_a_regular_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(DataError, match="is not a regular file"):
            _ = TextFile(path).fingerprint


def test_plain_utf_8_is_announced_as_that(tmp_path: Path) -> None:
    (tmp_path / "input.txt").write_text("ä", encoding="utf-8")
    assert TextFile(tmp_path / "input.txt").description.endswith("input.txt (UTF-8)")
