"""Where text comes from: documents to read in pieces, with a fingerprint of their content."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ml_playground.errors import DataError
from ml_playground.text.transfer import Transfer
from ml_playground.text.unknown import surrogates, unknown
from ml_playground.text.utf8 import whole

_BLOCK = 1 << 21

Chunks = Iterator[bytes]
"""A text as UTF-8, cut between characters; line ends are line feeds."""


class TextSource(Protocol):
    """Text that can be read more than once, in pieces, so that it need not fit in memory."""

    @property
    def description(self) -> str:
        """What it is, for people."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes when the text does."""
        ...

    def documents(self) -> Iterator[Chunks]:
        """The texts that belong together as one each, in order; to be read one after the other.

        Several are never cut in two when they are split into train and val; a single one is.
        """
        ...


@dataclass(frozen=True)
class TextInMemory:
    """A text that a program already has."""

    description: str
    text: str

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self._utf8).hexdigest()

    def documents(self) -> Iterator[Chunks]:
        yield self.chunks()

    def chunks(self) -> Chunks:
        yield self._utf8

    @property
    def _utf8(self) -> bytes:
        """Raises:
        DataError: the text has lone surrogates, which have no bytes.
        """
        try:
            return self.text.encode()
        except UnicodeEncodeError:
            raise DataError(f"{self.description}: {unknown(surrogates(self.text))}") from None


@dataclass(frozen=True)
class TextFile:
    """A file in UTF-8, with or without a byte order mark, or in cp1252; any line ends. One document."""

    path: Path

    @property
    def description(self) -> str:
        return f"{self.path} ({self._inspected[1]})"

    @property
    def fingerprint(self) -> str:
        return self._inspected[0]

    def documents(self) -> Iterator[Chunks]:
        yield self.chunks()

    def chunks(self) -> Chunks:
        """The one document.

        Raises:
            DataError: as :attr:`fingerprint`.
        """
        encoding = self._inspected[1]
        with self.path.open("rb") as file:
            if encoding == "utf-8-sig" and file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            rest = b""
            while block := file.read(_BLOCK):
                block = rest + (block.decode(encoding).encode() if encoding == "cp1252" else block)
                # The line feed of a carriage return may come with the next block.
                end = len(block) - 1 if block.endswith(b"\r") else whole(block)
                rest = block[end:]
                yield _line_feeds(block[:end])
            if rest:
                yield _line_feeds(rest)

    @cached_property
    def _inspected(self) -> tuple[str, str]:
        """Digest of the bytes and the encoding.

        Raises:
            DataError: the file is missing, unreadable, empty, or no text in either encoding.
        """
        try:
            for encoding in ("utf-8-sig", "cp1252"):
                if digest := self._digest(encoding):
                    return digest, encoding
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        raise DataError(f"{self.path}: is neither UTF-8 nor cp1252; save it as UTF-8")

    def _digest(self, encoding: str) -> str | None:
        """Digest of the bytes, or None where they are not in the encoding."""
        digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder(encoding)()
        position, size = 0, self.path.stat().st_size
        with (
            self.path.open("rb") as file,
            Transfer(f"reading {self.path.name}", 0, size) as transfer,
            ThreadPoolExecutor(1) as hasher,  # takes about as long as decoding, and needs no lock of Python's
        ):
            hashed = hasher.submit(digest.update, b"")
            while block := file.read(_BLOCK):
                if b"\0" in block:
                    raise DataError(
                        f"{self.path}: byte {position + block.index(0)} is NUL, so this is no text in UTF-8 or cp1252;"
                        " save it as UTF-8"
                    )
                hashed.result()
                hashed = hasher.submit(digest.update, block)
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    return None
                position += len(block)
                transfer.advance(len(block))
        if position == 0:
            raise DataError(f"{self.path}: is empty; put text into it")
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return None
        return digest.hexdigest()


def _line_feeds(chunk: bytes) -> bytes:
    return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk
