"""Access to the study's database, with errors translated to one line.

SQLite files are opened by path, because ``?``, ``#`` and ``%`` in a file name have a special meaning in a URL.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from ml_playground.errors import UserError, first_line
from ml_playground.sweeping.database import (
    Database,
    StudyError,
    StudyLockedError,
    StudyUnreachableError,
    show_database,
)
from ml_playground.sweeping.server import ServerStorage, patiently
from ml_playground.terminal.console import say

T = TypeVar("T")

_SECONDS_TO_WAIT = 60.0
_SECONDS_OF_SILENCE = 5.0
_SECONDS_BETWEEN_TRIES = 0.5
"""SQLite's own busy timeout. It is short because SQLite sleeps in C code, where signals are not handled."""
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def open_storage(database: Database, *, known: bool = False) -> RDBStorage:
    """Connect to the database and create Optuna's tables if they are missing. Foreign files are not modified.

    Args:
        database: The file, or the URL of a server.
        known: The database has been opened before, so that a server that cannot be reached is waited for.

    Raises:
        UserError: If the database is corrupted, belongs to another program, or cannot be reached or written.
        StudyLockedError: If another program has kept it locked for a minute.
        StudyUnreachableError: If a known server cannot be reached for ten minutes.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    connect = functools.partial(_connected, database)
    try:
        return patiently(connect) if known else connect()
    except (StudyLockedError, StudyUnreachableError) as error:
        if isinstance(error, StudyUnreachableError) and not known:
            raise UserError(f"{error}; check the URL, and that the server runs") from None
        raise
    except StudyError as error:
        raise UserError(str(error)) from None


def _connected(database: Database) -> RDBStorage:
    try:
        storage = _open_file(database) if isinstance(database, Path) else ServerStorage(database)
    except UnicodeDecodeError as error:  # in a name quoted by SQLite
        raise _damaged(cast("Path", database), str(error)) from None
    except (SQLAlchemyError, StorageInternalError, sqlite3.Error, ImportError, RuntimeError) as error:
        raise _translated(database, error) from None

    # Raises a StudyError, which Optuna and SQLAlchemy propagate unchanged.
    def translate(context: ExceptionContext) -> None:
        if not isinstance(context.sqlalchemy_exception, IntegrityError):  # Optuna handles these
            raise _translated(database, context.sqlalchemy_exception or context.original_exception)

    event.listen(storage.engine, "handle_error", translate)
    return storage


def is_unused(path: Path) -> bool:
    """Return whether the file does not contain a study yet, because it is missing or empty."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)


def _open_file(path: Path) -> RDBStorage:
    complete = not is_unused(path) and _has_study_tables(path)
    arguments = {"creator": functools.partial(_connect, path), "poolclass": QueuePool}
    # Do not add tables to those of another Optuna version: they would break an upgrade.
    return RDBStorage("sqlite://", engine_kwargs=arguments, skip_table_creation=complete)


def _has_study_tables(path: Path) -> bool:
    """Check, without writing, whether Optuna's tables are complete; a kill during their creation leaves them partial.

    Raises:
        StudyError: If the file is anything else than a study or an empty database.
    """
    if not path.is_file():
        raise StudyError(f"{path}: is not a file, so no database; move it away, or restore the study's own")
    with contextlib.closing(_connect(path)) as connection:
        for (problem,) in connection.cursor().execute("PRAGMA quick_check(1)").fetchall():
            if problem != "ok":
                raise _damaged(path, str(problem))
        tables = {
            name for (name,) in connection.cursor().execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        columns = {column[1] for column in connection.cursor().execute("PRAGMA table_info(studies)")}
        if tables and not {"study_id", "study_name"} <= columns:
            raise StudyError(
                f"{path}: is the database of another program; move it away, or set storage to another file"
            )
        stamped = (
            "alembic_version" in tables and connection.cursor().execute("SELECT * FROM alembic_version").fetchone()
        )
    return bool(stamped)


def _translated(database: Database, error: BaseException) -> StudyError:
    """Translate a database error into a message for the user."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    unreachable = lost or isinstance(error, OperationalError)
    while not isinstance(error, sqlite3.Error) and (cause := getattr(error, "orig", None) or error.__cause__):
        error = cause
    if not isinstance(database, Path):
        name = f"storage {show_database(database)}"
        if unreachable:
            return StudyUnreachableError(f"{name}: the study's database cannot be reached: {first_line(error)}")
        return StudyError(f"{name}: the study's database fails: {first_line(error)}; run the same command to resume")
    code = cast("int", getattr(error, "sqlite_errorcode", 0)) & 0xFF
    if code in _BUSY:
        return StudyLockedError(
            f"{database}: the study's database is locked by another program for more than {_SECONDS_TO_WAIT:.0f} s;"
            " end it or wait for it, then run the same command to resume"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(database, first_line(error))
    fix = {
        sqlite3.SQLITE_FULL: "make room",
        sqlite3.SQLITE_READONLY: "make the file and its folder writable",
        sqlite3.SQLITE_CANTOPEN: "check the path and its permissions",
    }.get(code, "fix that")
    return StudyError(
        f"{database}: the study's database cannot be used: {first_line(error)}; {fix}, then run the same command"
        " to resume"
    )


def _damaged(path: Path, problem: str) -> StudyError:
    return StudyError(
        f"{path}: the study's database is damaged: {' '.join(problem.split())}; restore it from a backup, or move"
        f" {path.parent} away to start over"
    )


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_SECONDS_BETWEEN_TRIES, check_same_thread=False, factory=_Connection)


class _Connection(sqlite3.Connection):
    """Connection that waits, with a message, while another program has locked the file."""

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or _Cursor)

    def commit(self) -> None:
        self.patiently(super().commit)

    def patiently(self, call: Callable[[], T]) -> T:
        start, changes, told = time.monotonic(), self.total_changes, False
        while True:
            try:
                return call()
            except sqlite3.OperationalError as error:
                waited = time.monotonic() - start
                # A call that has already changed something must not be repeated.
                again = error.sqlite_errorcode & 0xFF in _BUSY and self.total_changes == changes
                if not again or waited > _SECONDS_TO_WAIT:
                    raise
            if waited > _SECONDS_OF_SILENCE and not told:
                told = True
                say(
                    f"the study's database is locked by another program; waiting for it, up to {_SECONDS_TO_WAIT:.0f} s"
                )
            time.sleep(0.02)


class _Cursor(sqlite3.Cursor):
    def execute(self, sql: str, parameters: object = (), /) -> _Cursor:
        run = functools.partial(super().execute, sql, parameters)  # type: ignore[arg-type]
        self._connection.patiently(run)
        return self

    def executemany(self, sql: str, parameters: object, /) -> _Cursor:
        run = functools.partial(super().executemany, sql, parameters)  # type: ignore[arg-type]
        self._connection.patiently(run)
        return self

    @property
    def _connection(self) -> _Connection:
        return cast("_Connection", self.connection)
