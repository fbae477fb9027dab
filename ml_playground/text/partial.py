"""A partly downloaded file, and what is needed to resume it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path
from typing import BinaryIO

from ml_playground.durable import sync_folder, write_text

_HEAD = 1024


class Partial:
    """``<target>.part`` holds the bytes so far; ``<target>.part.json`` says which version of which file they are."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._data = target.with_name(f"{target.name}.part")
        self._origin = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes so far; 0 where there is nothing."""
        return self._data.stat().st_size if self._data.exists() else 0

    def etag(self, url: str) -> str | None:
        """The strong ETag of the version that the bytes are from: "" where the server gave none.

        None where there is nothing to resume, or it came from another address.
        """
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
            if self.size and origin["url"] == url:
                return str(origin["etag"])
        return None

    def start(self, url: str, etag: str) -> BinaryIO:
        """Open it for the first byte, whatever was there.

        Raises:
            OSError: somebody else's file has the name.
        """
        if self._data.exists() and not self._origin.exists():
            raise FileExistsError(errno.EEXIST, f"{self._data} is in the way, which this program did not write")
        # In this order: a process that dies in between must not leave old bytes beside the new origin.
        self._data.unlink(missing_ok=True)
        write_text(self._origin, json.dumps({"url": url, "etag": etag}))
        return self._data.open("wb")

    def resume(self) -> BinaryIO:
        """Open it for the next byte."""
        return self._data.open("ab")

    def sha256(self) -> str:
        """Hex digest of the bytes so far."""
        with self._data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def head(self) -> bytes:
        """The beginning of the file."""
        with self._data.open("rb") as file:
            return file.read(_HEAD)

    def complete(self) -> None:
        """Give the file its final name. The bytes reach the disk first."""
        with self._data.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._data, self._target)
        self._origin.unlink(missing_ok=True)
        sync_folder(self._target.parent)

    def discard(self) -> None:
        """Drop the bytes: they are not of the file that is wanted."""
        self._data.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)
