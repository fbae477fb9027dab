"""A study's database: any file name, waiting while it is locked, and one line for whatever is wrong with the file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ml_playground.errors import UserError
from ml_playground.sweeping import storage
from ml_playground.sweeping.database import StudyError, StudyLockedError, parse_storage
from ml_playground.sweeping.storage import open_storage

NAMES = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=40)


def fill(path: Path) -> optuna.Study:
    """A study with a trial."""
    study = optuna.create_study(storage=open_storage(path), study_name="s", sampler=optuna.samplers.RandomSampler(1))
    study.tell(study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}), 1.0)
    return study


@contextlib.contextmanager
def locking(path: Path) -> Generator[sqlite3.Connection]:
    """Another program that holds the database."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


@settings(max_examples=12, suppress_health_check=[HealthCheck.too_slow])
@given(NAMES)
@example("lr?")
@example("a#b%20c%%s")
@example("{SCHEMA_VERSION}{x}")
@example("größe 'n' [1] \"q\"\n\\")
@example("file:x?mode=memory")
def test_the_study_is_in_the_file_of_that_name_and_in_no_other(name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f".{name}"  # neither `.` nor `..`
        if len(os.fsencode(path.name)) > 200:
            return
        for _ in range(2):
            found = optuna.get_all_study_names(open_storage(path))
            if not found:
                optuna.create_study(storage=open_storage(path), study_name=name)
        assert optuna.get_all_study_names(open_storage(path)) == [name]
        assert [one.name for one in Path(folder).iterdir()] == [path.name]
        assert path.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense", "not the URL of a database"),
        ("", "not the URL of a database"),
        ("foo://x/y", "not the URL of a database"),
        ("postgresql://user@host:port/name", "not the URL of a database"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///a.db?mode=ro", "remove the '?'"),
        ("postgresql://me@host:secret/study", "its port is not a number; write one such as postgresql://user@host/"),
        ("postgresql://me:secret@host/study", "contains a password, which everyone who reads this file would know"),
        ("postgresql://me@host/study?password=secret", "put it into ~/.pgpass or the environment variable PGPASSWORD"),
        ("postgresql+pg8000://me@host/study", "its driver is missing: No module named 'pg8000'; install it"),
    ],
)
def test_what_is_no_url_of_a_database_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as error:
        parse_storage(url)
    assert problem in str(error.value)
    assert "secret" not in str(error.value)


def test_a_missing_driver_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ValueError, match=r"its driver is missing: .*; pip install 'ml-playground\[postgres\]'"):
        parse_storage("postgresql://me@host/study")


def test_a_sqlite_url_is_a_path() -> None:
    assert parse_storage("sqlite:////a/b c.db") == Path("/a/b c.db")


def folder_in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe_in_place(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def other_program(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE bookmarks (url TEXT)")


def other_studies(path: Path) -> None:
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE studies (title TEXT)")


def other_schema(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.executescript("UPDATE alembic_version SET version_num = 'v9.9.9'; DROP TABLE trial_heartbeats")


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 8, len(data), 4096):
        data[place : place + 64] = b"\xfb" * 64
    path.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "random bytes": (
        lambda path: path.write_bytes(bytes(range(256)) * 20),
        "is damaged: file is not a database; restore it",
    ),
    "text": (lambda path: path.write_text("no database " * 100), "is damaged: file is not a database"),
    "cut in the header": (lambda path: os.truncate(path, 60), "is damaged: "),
    "cut in half": (lambda path: os.truncate(path, path.stat().st_size // 2), "is damaged: "),
    "flipped": (flipped, "is damaged: "),
    "folder": (folder_in_place, "is not a file, so no database"),
    "pipe": (pipe_in_place, "is not a file, so no database"),
    "another program's": (other_program, "is the database of another program"),
    "another program's studies": (other_studies, "is the database of another program"),
    "another version's": (other_schema, "the study's database cannot be used: The runtime optuna version"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_file_is_named_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "study.db"
    fill(path)
    act, problem = DAMAGE[damage]
    act(path)
    before = path.read_bytes() if path.is_file() else path.stat().st_ino
    with pytest.raises(UserError) as error:
        open_storage(path)
    assert str(error.value).startswith(f"{path}: ")
    assert problem in str(error.value)
    assert "\n" not in str(error.value)
    assert before == (path.read_bytes() if path.is_file() else path.stat().st_ino)
    assert [one.name for one in tmp_path.iterdir()] == ["study.db"]


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "study.db"
    with pytest.raises(UserError, match="unable to open database file; check the path") as error:
        open_storage(path)
    assert "\n" not in str(error.value)


def test_tables_that_a_kill_has_left_incomplete_are_completed(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    fill(path)
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.executescript("DELETE FROM alembic_version; DROP TABLE trial_heartbeats")
    assert optuna.get_all_study_names(open_storage(path)) == ["s"]


def test_a_locked_database_is_waited_for_and_people_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(storage, "_SECONDS_OF_SILENCE", 0.1)
    monkeypatch.setattr(storage, "_SECONDS_BETWEEN_TRIES", 0.05)
    path = tmp_path / "study.db"
    study = fill(path)
    with locking(path) as other:
        release = threading.Timer(0.6, other.execute, ["ROLLBACK"])
        release.start()
        start = time.monotonic()
        study.set_user_attr("a", 1)
        assert time.monotonic() - start > 0.5
        release.join()
    assert open_storage(path).get_study_user_attrs(1) == {"a": 1}
    assert capsys.readouterr().err.count("the study's database is locked by another program; waiting for it") == 1


def test_a_database_locked_for_too_long_is_one_line_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study.db"
    monkeypatch.setattr(storage, "_SECONDS_BETWEEN_TRIES", 0.05)
    study = fill(path)
    monkeypatch.setattr(storage, "_SECONDS_TO_WAIT", 0.2)
    before = path.read_bytes()
    with locking(path):
        for call in (lambda: study.set_user_attr("a", 1), study.get_trials, study.ask, lambda: open_storage(path)):
            with pytest.raises(
                StudyLockedError, match=r"is locked by another program for more than .* to resume"
            ) as error:
                call()
            assert str(error.value).startswith(f"{path}: ")
            assert "\n" not in str(error.value)
    assert path.read_bytes() == before
    study.set_user_attr("a", 1)  # the same connection goes on


def test_damage_while_it_is_in_use_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    study = fill(path)
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(StudyError, match="is damaged: ") as error:
        study.set_user_attr("a", 1)
    assert "\n" not in str(error.value)
