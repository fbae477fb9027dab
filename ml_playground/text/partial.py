"""A partial download, and what is needed to resume it."""

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
    """``<target>.part`` holds the bytes received so far; ``<target>.part.json`` records their URL and ETag."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._data = target.with_name(f"{target.name}.part")
        self._origin = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """Number of bytes received so far; 0 if there are none."""
        return self._data.stat().st_size if self._data.exists() else 0

    def etag(self, url: str) -> str | None:
        """Return the strong ETag of the version that the bytes are from: "" if the server sent none.

        None if there is nothing to resume, or if it came from another URL.
        """
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            origin = json.loads(self._origin.read_text(encoding="utf-8"))
            if self.size and origin["url"] == url:
                return str(origin["etag"])
        return None

    def start(self, url: str, etag: str) -> BinaryIO:
        """Open the file for writing from the first byte; existing content is discarded.

        Raises:
            OSError: a file with this name exists that this program did not write.
        """
        if self._data.exists() and not self._origin.exists():
            raise FileExistsError(errno.EEXIST, f"{self._data} is in the way, which this program did not write")
        # The order matters: a process that dies in between must not leave old bytes next to the new origin.
        self._data.unlink(missing_ok=True)
        write_text(self._origin, json.dumps({"url": url, "etag": etag}))
        return self._data.open("wb")

    def resume(self) -> BinaryIO:
        """Open the file for appending."""
        return self._data.open("ab")

    def sha256(self) -> str:
        """Return the hex digest of the bytes received so far."""
        with self._data.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def head(self) -> bytes:
        """Return the beginning of the file."""
        with self._data.open("rb") as file:
            return file.read(_HEAD)

    def complete(self) -> None:
        """Rename the file to its final name, after flushing its bytes to disk."""
        with self._data.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self._data, self._target)
        self._origin.unlink(missing_ok=True)
        sync_folder(self._target.parent)

    def discard(self) -> None:
        """Delete the bytes, which are not from the requested file."""
        self._data.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)
