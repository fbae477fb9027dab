"""``mlp clean``: move what is not needed to ``outputs/.trash``, and delete it from there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from ml_playground.durable import LockedError, lock, sync_folder
from ml_playground.errors import RunError
from ml_playground.runs.leftovers import Leftover, size
from ml_playground.runs.listing import TRASH
from ml_playground.terminal.columns import aligned
from ml_playground.terminal.console import say
from ml_playground.terminal.numbers import short


def print_leftovers(leftovers: Sequence[Leftover]) -> None:
    """List what would be moved."""
    rows = [[each.kind, str(each.paths[0]), short(each.bytes, "B"), each.reason] for each in leftovers]
    for line in aligned(rows, [2]):
        print(line)
    print(f"{len(leftovers)} items, {short(sum(each.bytes for each in leftovers), 'B')}")


def move_to_trash(root: Path, leftovers: Sequence[Leftover]) -> tuple[Path, int]:
    """Move leftovers to a new folder in the trash, under the same paths as below ``root``.

    Each file or folder is renamed, so that a kill leaves it in one of the two places. What a process has started to use
    in the meantime is kept.

    Returns:
        The new folder, and the bytes that were moved.

    Raises:
        RunError: If something cannot be moved.
    """
    folder = _new_folder(root / TRASH)
    moved = 0
    try:
        for leftover in leftovers:
            try:
                with lock(leftover.lock):
                    for path in leftover.paths:
                        _rename(path, folder / path.relative_to(root))
            except LockedError as error:
                say(f"{leftover.paths[0]}: is kept, because {error.owner} uses it now")
                continue
            moved += leftover.bytes
    except OSError as error:
        raise RunError(f"{error.filename}: cannot be moved: {error.strerror}; what was moved is in {folder}") from None
    return folder, moved


def empty_trash(root: Path) -> int:
    """Delete everything in the trash, and return how many bytes that frees.

    Raises:
        RunError: If something cannot be deleted.
    """
    trash = root / TRASH
    if not trash.is_dir():
        return 0
    freed = size(trash)
    try:
        shutil.rmtree(trash)
    except OSError as error:
        raise RunError(f"{error.filename}: cannot be deleted: {error.strerror}") from None
    return freed


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(source, target)  # noqa: PTH104  # Path.rename says the same
    sync_folder(target.parent)
    sync_folder(source.parent)


def _new_folder(trash: Path) -> Path:
    trash.mkdir(parents=True, exist_ok=True)
    stem, number = f"{datetime.now(UTC):%Y%m%d-%H%M%S}", 1
    while True:
        folder = trash / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder
