"""A run folder: one writer at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path

from ml_playground.durable import LockedError, lock
from ml_playground.errors import RunError, RunFolderError

LOCK = ".lock"


@contextlib.contextmanager
def writing(folder: Path) -> Generator[None]:
    """Be the one process that writes into the folder, which is made where it is missing.

    Raises:
        RunFolderError: another process is.
        RunError: the folder cannot be made, or a file in it not be written.
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
