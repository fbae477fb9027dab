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

from ml_playground.durable import open_regular
from ml_playground.errors import DataError
from ml_playground.terminal.progress import ByteProgress
from ml_playground.text.unknown import surrogates, unknown
from ml_playground.text.utf8 import whole

_BLOCK = 1 << 21
_UTF8 = "UTF-8"
_LONGEST_CHARACTER = 4
_DAMAGE = 16
"""Bytes around a damaged one, which decide."""

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
        with open_regular(self.path) as file:
            if encoding == _UTF8 and file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
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

        Nearly every byte is a character of cp1252, so that being valid says nothing. A text is read as cp1252 where
        more than ten times as many bytes fit into no character of UTF-8 as there are characters beyond ASCII that do,
        and where no single byte, put right, would make it UTF-8.

        Raises:
            DataError: the file is missing, unreadable, empty, or no text in either encoding.
        """
        try:
            digest, bad = self._digest("utf-8-sig")
            if bad is None:
                return digest, _UTF8
            if self._is_cp1252(bad):
                digest, worse = self._digest("cp1252")
                if worse is None:
                    return digest, "cp1252"
            with open_regular(self.path) as file:
                line = file.read(bad).count(b"\n") + 1
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror}") from None
        raise DataError(
            f"{self.path}: byte {bad} (in line {line}) is not UTF-8; fix that place, or convert a text of another"
            " encoding, as with  iconv -f CP1252 -t UTF-8"
        )

    def _digest(self, encoding: str) -> tuple[str, int | None]:
        """Digest of the bytes, and the first of them that is not in the encoding."""
        digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder(encoding)()
        position, size = 0, self.path.stat().st_size
        with (
            open_regular(self.path) as file,
            ByteProgress(f"reading {self.path.name}", 0, size) as progress,
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
                position += len(block)
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    return "", position - len(error.object) + error.start
                progress.advance(len(block))
        if position == 0:
            raise DataError(f"{self.path}: is empty; put text into it")
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return "", position - len(error.object) + error.start
        return digest.hexdigest(), None

    def _is_cp1252(self, first: int) -> bool:
        """Whether bytes that are not UTF-8, from ``first`` on, are those of another encoding, and no damage."""
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        fitting = unfitting = 0
        with open_regular(self.path) as file:
            while block := file.read(_BLOCK):
                beyond = [character for character in decoder.decode(block) if character > "\x7f"]
                bad = sum("\udc80" <= character <= "\udcff" for character in beyond)
                unfitting += bad
                fitting += len(beyond) - bad
            file.seek(max(0, first - _LONGEST_CHARACTER))
            place = file.read(_DAMAGE)
        # More bytes than one character has are no damage of one.
        return unfitting > 10 * fitting and (unfitting >= _LONGEST_CHARACTER or not _one_byte_from_utf8(place))


def _one_byte_from_utf8(text: bytes) -> bool:
    """Whether UTF-8, which may begin and end within a character, comes of a text when one byte is another one."""
    text = text.lstrip(bytes(range(0x80, 0xC0)))

    def fits(changed: bytes) -> bool:
        try:
            codecs.getincrementaldecoder("utf-8")().decode(changed)
        except UnicodeDecodeError:
            return False
        return True

    others = (bytes([other]) for other in range(256))
    return fits(text) or any(fits(text[:at] + one + text[at + 1 :]) for one in others for at in range(len(text)))


def _line_feeds(chunk: bytes) -> bytes:
    return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in chunk else chunk
