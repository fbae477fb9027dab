"""Which database a study is in, and what can be wrong with it."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from ml_playground.errors import RunError, first_line

Database = Path | URL
"""Path of a SQLite file, or URL of a database server."""
_EXAMPLE = "write one such as postgresql://user@host/name"


class StudyError(RunError):
    """The study's database cannot be read or written at the moment; its content is preserved."""


class StudyLockedError(StudyError):
    """Another program has locked the study's database for too long."""


class StudyUnreachableError(StudyError):
    """The database server cannot be reached, or has ended the connection."""


def parse_storage(url: str) -> Database:
    """Parse the ``storage`` setting of a sweep file.

    Raises:
        ValueError: If the URL is invalid; the message describes the problem, and never contains a password.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        dialect = parsed.get_dialect()
    except (ArgumentError, ImportError, NoSuchModuleError) as error:
        raise ValueError(f"not the URL of a database: {first_line(error)}; {_EXAMPLE}") from None
    except ValueError:
        raise ValueError(f"not the URL of a database: its port is not a number; {_EXAMPLE}") from None
    if parsed.get_backend_name() == "sqlite":
        return _path(parsed)
    if parsed.password is not None or "password" in parsed.query:
        raise ValueError(
            "contains a password, which everyone who reads this file would know; remove it, and put it into ~/.pgpass"
            " or the environment variable PGPASSWORD"
        )
    try:
        dialect.import_dbapi()
    except ImportError as error:
        extra = " pip install 'ml-playground[postgres]'" if parsed.get_driver_name() == "psycopg" else " install it"
        raise ValueError(f"its driver is missing: {first_line(error)};{extra}") from None
    return parsed


def show_database(database: Database) -> str:
    """Return how messages name a database."""
    return str(database) if isinstance(database, Path) else str(database.set(drivername=database.get_backend_name()))


def _path(parsed: URL) -> Path:
    if parsed.query:
        raise ValueError("a SQLite URL is sqlite:/// and a path; remove the '?' and what follows")
    if not parsed.database or parsed.database == ":memory:":
        raise ValueError("names no file, and workers share one; write sqlite:///path/to/study.db, or remove the key")
    return Path(parsed.database)
