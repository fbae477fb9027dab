"""Text sources: documents that are read in chunks, with a fingerprint of their content."""

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
"""Number of bytes to examine around the first invalid one."""

Chunks = Iterator[bytes]
"""A text as UTF-8, split between characters; line ends are line feeds."""


class TextSource(Protocol):
    """Text that can be read repeatedly and in chunks, so that it does not have to fit in memory."""

    @property
    def description(self) -> str:
        """Human-readable description."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hex digest that changes when the text changes."""
        ...

    def documents(self) -> Iterator[Chunks]:
        """Return the documents in order; they must be read one after another.

        When the text is split into train and val, several documents are kept whole; a single one is cut in two.
        """
        ...


@dataclass(frozen=True)
class TextInMemory:
    """A text that is already in memory."""

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
        """The text as UTF-8.

        Raises:
            DataError: the text has lone surrogates, which cannot be encoded.
        """
        try:
            return self.text.encode()
        except UnicodeEncodeError:
            raise DataError(f"{self.description}: {unknown(surrogates(self.text))}") from None


@dataclass(frozen=True)
class TextFile:
    """A file in UTF-8, with or without a byte order mark, or in cp1252; any line ends. It is one document."""

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
        """Return the single document.

        Raises:
            DataError: as for :attr:`fingerprint`.
        """
        encoding = self._inspected[1]
        with open_regular(self.path) as file:
            if encoding == _UTF8 and file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
                file.seek(0)
            rest = b""
            while block := file.read(_BLOCK):
                block = rest + (block.decode(encoding).encode() if encoding == "cp1252" else block)
                # A carriage return's line feed may be in the next block.
                end = len(block) - 1 if block.endswith(b"\r") else whole(block)
                rest = block[end:]
                yield _line_feeds(block[:end])
            if rest:
                yield _line_feeds(rest)

    @cached_property
    def _inspected(self) -> tuple[str, str]:
        """SHA-256 of the bytes, and the encoding.

        Nearly every byte is a character in cp1252, so being valid cp1252 says nothing. A text is read as cp1252 if it
        has more than ten times as many bytes that are invalid in UTF-8 as valid non-ASCII characters, and if correcting
        a single byte would not make it valid UTF-8.

        Raises:
            DataError: the file is missing, unreadable, empty, or not text in either encoding.
        """
        try:
            digest, bad = self._digest("utf-8")  # of which a byte order mark is a character
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
        """Return the SHA-256 of the bytes, and the offset of the first byte that is invalid in the encoding, if any."""
        digest, decoder = hashlib.sha256(), codecs.getincrementaldecoder(encoding)()
        position, size = 0, self.path.stat().st_size
        with (
            open_regular(self.path) as file,
            ByteProgress(f"reading {self.path.name}", 0, size) as progress,
            ThreadPoolExecutor(1) as hasher,  # takes about as long as decoding, and releases the GIL
        ):
            hashed = hasher.submit(digest.update, b"")
            while block := file.read(_BLOCK):
                if b"\0" in block:
                    raise DataError(
                        f"{self.path}: byte {position + block.index(0)} is NUL, so this is not text in UTF-8 or cp1252;"
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
        """Return whether bytes that are invalid in UTF-8, from ``first`` on, are another encoding and not damage."""
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
        # More invalid bytes than a character has cannot be a single damaged one.
        return unfitting > 10 * fitting and (unfitting >= _LONGEST_CHARACTER or not _one_byte_from_utf8(place))


def _one_byte_from_utf8(text: bytes) -> bool:
    """Return whether changing at most one byte yields UTF-8, which may start and end within a character."""
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
