"""Replace previous token files in a folder that may contain unrelated files."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import cast

from ml_playground.dataset.prepared import (
    META,
    Meta,
    Split,
    file_digest,
    lengths_name,
    mask_name,
    meta_text,
    read_meta_of_any_format,
)
from ml_playground.durable import sync_folder, to_json, write_text
from ml_playground.errors import DataError

_SPLITS: tuple[Split, ...] = ("train", "val")
FILES = [name for split in _SPLITS for name in (f"{split}.bin", mask_name(split), lengths_name(split))]
"""Names of all files that a dataset may have next to its meta."""
_RECORD = ".preparing.json"
"""Exists while files are being replaced: the digests of the new and the old ones."""


def refuse_foreign(folder: Path) -> None:
    """Check that the token files in a folder, if any, are our own.

    Raises:
        DataError: there are files that this program did not write, which must not be replaced.
    """
    meta, known = read_meta_of_any_format(folder), _recorded(folder)
    sizes = {f"{split}.bin": meta.bytes(split) for split in _SPLITS} if meta else {}
    for name in FILES:
        path = folder / name
        if not (path.exists() or path.is_symlink()):
            continue
        old = meta is not None and not meta.sha256 and path.is_file() and path.stat().st_size == sizes.get(name)
        digests = {*known.get(name, []), *([meta.sha256[name]] if meta and name in meta.sha256 else [])}
        if not old and (not path.is_file() or file_digest(path) not in digests):
            raise DataError(
                f"{path}: was not written by this program, and is not replaced; name another folder in [prepare]"
                " dataset_dir, or move the file away"
            )


def put_in_place(partial: Path, folder: Path, meta: Meta) -> None:
    """Move new token files into a folder that :func:`refuse_foreign` has checked.

    If the process is killed at any point, the folder has the old dataset, the new one, or one without ``meta.json``,
    which is prepared again; until then the record identifies the files.
    """
    folder.mkdir(exist_ok=True)
    old = {name: file_digest(folder / name) for name in FILES if (folder / name).exists()}
    digests = {name: [table[name] for table in (meta.sha256, old) if name in table] for name in FILES}
    record = {name: known for name, known in digests.items() if known}
    write_text(folder / _RECORD, to_json(record))
    (folder / META).unlink(missing_ok=True)
    for name in FILES:
        if name in meta.sha256:
            os.replace(partial / name, folder / name)
        else:
            (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody else put a file there
        partial.rmdir()
    sync_folder(folder)
    write_text(folder / META, meta_text(meta))
    (folder / _RECORD).unlink()
    sync_folder(folder.parent)


def _recorded(folder: Path) -> dict[str, list[str]]:
    try:
        record: object = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    # With a damaged record the files count as foreign, and are kept.
    return cast("dict[str, list[str]]", record) if isinstance(record, dict) else {}
