"""Exclusive write access to a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from ml_playground.durable import LockedError, lock
from ml_playground.errors import RunError, RunFolderError

LOCK = ".lock"
CONSOLE = "console.log"
"""File for what a run says that a worker trains."""


@contextlib.contextmanager
def writing(folder: Path) -> Generator[None]:
    """Hold the write lock of a run folder, which is created if it does not exist.

    Raises:
        RunFolderError: If another process holds the lock.
        RunError: If the folder cannot be created, or a file in it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with lock(folder / LOCK):
            yield
    except LockedError as error:
        raise RunFolderError(
            f"{folder}: {error.owner} is writing here; wait for it, or set another train.runtime.out_dir"
        ) from None
    except OSError as error:
        raise RunError.of_files(folder, error) from error


@contextlib.contextmanager
def console_log(folder: Path) -> Generator[None]:
    """Redirect the output of a run to its ``console.log``."""
    with (
        (folder / CONSOLE).open("a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        yield
