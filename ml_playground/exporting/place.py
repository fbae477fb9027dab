"""The folder of an export: complete or absent, and never in place of files that the program did not write."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import cast

from ml_playground.durable import LockedError, lock, read_regular, sync_folder, to_json, write_text
from ml_playground.errors import RunError, UserError

RECORD = "export.json"
_FORMAT = 1
_MOST_HASHED = 1 << 24
"""Maximum size in bytes of files that are compared by content: those that a person may edit are smaller."""
_KEY = "export.export_dir"


@contextlib.contextmanager
def placing(folder: Path) -> Generator[Path]:
    """Yield an empty folder, which replaces ``folder`` if the block ends without an error; else it is removed.

    The block ends with :func:`write_record`; an earlier export is replaced only then.

    Raises:
        UserError: If the folder contains files that no export wrote, or another process exports to it.
        RunError: If a file cannot be written.
    """
    partial, old = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.old")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with lock(folder.with_name(f".{folder.name}.lock")):
            _recover(folder, partial, old)
            for path in (folder, rejected(folder)):
                _refuse_foreign(path)
            partial.mkdir()
            write_text(partial / RECORD, to_json({"format": _FORMAT}))
            try:
                yield partial
                if partial.exists():  # else it was moved aside
                    _refuse_foreign(folder)  # it may have changed in the meantime
                    _put_in_place(partial, folder, old)
            finally:
                _remove(partial)
    except LockedError as error:
        raise UserError(f"{folder}: {error.owner} is exporting to it; wait for it") from None
    except OSError as error:
        reason = "the disk is full; make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else error
        raise RunError(f"{folder}: cannot be written: {reason}; nothing is left half-written") from None


def write_record(partial: Path, record: dict[str, object]) -> None:
    """Write ``export.json``: what was exported, and the files, by which a later export recognizes them."""
    files = {path.name: _identity(path) for path in sorted(partial.iterdir()) if path.name != RECORD}
    write_text(partial / RECORD, to_json({"format": _FORMAT, **record, "files": files}, indent=1))


def move_aside(partial: Path, folder: Path) -> Path:
    """Move an export that does not work to ``*.rejected``, and return where it is."""
    target = rejected(folder)
    _refuse_foreign(target)
    _remove(target)
    os.replace(partial, target)
    sync_folder(target.parent)
    return target


def rejected(folder: Path) -> Path:
    """Return where an export goes that does not work."""
    return folder.with_name(f"{folder.name}.rejected")


def _identity(path: Path) -> dict[str, object]:
    size = path.stat().st_size
    return {"bytes": size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest() if size <= _MOST_HASHED else None}


def _refuse_foreign(folder: Path) -> None:
    """Raises:
    UserError: If the folder exists and was not written by an export, or was changed since.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_symlink() or not folder.is_dir():
        raise UserError(f"{folder}: is not a folder; move it away, or set another {_KEY}")
    files = _files(folder)
    for path in sorted(folder.iterdir()):
        if path.name == RECORD and files is not None:
            continue
        if files is None or path.name not in files:
            raise UserError(f"{path}: was not written by an export; move it away, or set another {_KEY}")
        if path.is_symlink() or not path.is_file() or _identity(path) != files[path.name]:
            raise UserError(f"{path}: was changed after the export; move it away, or set another {_KEY}")


def _files(folder: Path) -> dict[str, object] | None:
    """Return the files that a record names; None without a record."""
    try:
        record: object = json.loads(read_regular(folder / RECORD))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or cast("dict[str, object]", record).get("format") != _FORMAT:
        return None
    files = cast("dict[str, object]", record).get("files", {})
    return cast("dict[str, object]", files) if isinstance(files, dict) else None


def _recover(folder: Path, partial: Path, old: Path) -> None:
    """Undo what a killed export left."""
    if old.exists() and not folder.exists():
        os.replace(old, folder)
    elif old.exists() and _files(old) is not None:
        _remove(old)
    if partial.exists() and (_files(partial) is not None or not any(partial.iterdir())):
        _remove(partial)


def _put_in_place(partial: Path, folder: Path, old: Path) -> None:
    sync_folder(partial)
    if folder.exists():
        os.replace(folder, old)
    os.replace(partial, folder)
    sync_folder(folder.parent)
    _remove(old)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
