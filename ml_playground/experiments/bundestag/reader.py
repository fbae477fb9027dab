"""Read a plenary protocol in any of its formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element

from defusedxml.common import EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.ElementTree import ParseError, fromstring

from ml_playground.durable import open_regular, read_regular
from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.old_xml import read_old_xml
from ml_playground.experiments.bundestag.protocol_xml import read_protocol_xml
from ml_playground.experiments.bundestag.session import Session
from ml_playground.experiments.bundestag.tei import read_tei

FORMATS: Final[dict[str, Callable[[Element], Session]]] = {
    "dbtplenarprotokoll": read_protocol_xml,
    "DOKUMENT": read_old_xml,
    "TEI": read_tei,
}
"""Readers by root element."""

_HEAD = 256
# Real protocols are seven levels deep; the readers and Python recurse.
_DEEPEST = 100
# U+FFFD, or UTF-8 that was decoded as cp1252 or Latin 1: ä ö ü Ä Ö Ü ß.
_GARBLED = re.compile("\ufffd|Ã[¤¶¼„–œŸ\x84\x96\x9c\x9f]")


def looks_like_xml(path: Path) -> bool:
    """Return whether the file starts like XML: with an angle bracket, in any encoding.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with open_regular(path) as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    return head.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"<")


def read_session(path: Path) -> Session:
    """Read the sitting from a file: XML since term 19, XML of terms 1 to 18, or GermaParl TEI, by root element.

    The official files reference a DTD; it is never fetched, and nothing is validated: those of term 21 do not follow
    it. Entities are refused.

    Raises:
        DataError: the file is missing, empty, not well-formed XML in its declared encoding, defines or references
            entities, or is not a plenary protocol; the one-line message names the file.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    try:
        root = _parse(content)
        return _reader_of(root)(root)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _reader_of(root: Element) -> Callable[[Element], Session]:
    reader = FORMATS.get(root.tag.rpartition("}")[2])
    if reader is None:
        raise DataError(f"its root element is '{root.tag}', which is none of {', '.join(FORMATS)}")
    return reader


def _parse(content: bytes) -> Element:
    if not content.strip():
        raise DataError("is empty")
    try:
        # forbid_dtd would refuse the official files, which all reference a DTD.
        root = fromstring(content, forbid_dtd=False, forbid_entities=True, forbid_external=True)
    except (EntitiesForbidden, ExternalReferenceForbidden):
        raise DataError("defines or refers to entities, which are not read for safety; remove them") from None
    except (ParseError, ValueError, LookupError) as error:
        # ValueError and LookupError: the parser does not know the encoding.
        raise DataError(f"is not well-formed XML in its declared encoding: {error}") from None
    level = [root]
    for _ in range(_DEEPEST):
        level = [child for element in level for child in element]
    if level:
        raise DataError(f"its elements are nested more than {_DEEPEST} levels deep")
    if garbled := next((text for text in root.itertext() if _GARBLED.search(text)), None):
        found = _GARBLED.search(garbled)
        assert found
        raise DataError(f"its umlauts are garbled, as in {garbled[max(0, found.start() - 10) : found.end() + 10]!r}")
    return root
