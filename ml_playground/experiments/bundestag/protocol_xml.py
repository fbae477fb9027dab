"""Protocols since term 19: root element ``dbtplenarprotokoll``, one element for each paragraph and interjection.

Based on the Bundestag's DTD ``dbtplenarprotokoll.dtd`` (of 20 January 2022) and on the protocols themselves, not all of
which follow it:

- ``sitzungsverlauf`` is the sitting; front matter, annexes and the list of speakers are outside it.
- ``<p klasse="redner">`` names the next speaker: its ``redner`` in structured form, the text after that as printed; the
  printed label may be missing.
- A bare ``<name>Präsident …:</name>`` or ``<p klasse="N">`` gives the floor to the chair until the next
  ``<p klasse="redner">``, so a ``rede`` can have several speakers, and paragraphs outside of it still have one.
- Paragraphs of the classes ``AL_*`` are lists of votes by name; all others are text, including those without a class.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from xml.etree.ElementTree import Element

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.label import is_chair, is_name, parse_label, strict_label
from ml_playground.experiments.bundestag.line import CLOSING, one_line
from ml_playground.experiments.bundestag.session import Interjection, Session, Speaker
from ml_playground.experiments.bundestag.transcript import Transcript

_LEFT_OUT = frozenset(["fussnote", "table"])
"""Printed at the foot of the page or in columns: not part of the spoken words."""
_FOR_THE_RECORD = frozenset(["zu_protokoll", "zu_protokoll_anlage"])
_SAID = re.compile(r"\brufe\b|[.!?]$")
"""Matches spoken text that has the class of a heading: ``Ich rufe den Tagesordnungspunkt 1 auf:``."""
_LONGEST_LABEL = 160


def read_protocol_xml(root: Element) -> Session:
    """Read the sitting from a ``dbtplenarprotokoll``.

    Raises:
        DataError: there is no ``sitzungsverlauf``, it is empty, or term, number or date are invalid.
    """
    sitting = root.find("sitzungsverlauf")
    if sitting is None:
        raise DataError("has no element 'sitzungsverlauf'")
    transcript = Transcript()
    _walk(sitting, transcript)
    return transcript.session(root.get("wahlperiode"), root.get("sitzung-nr"), root.get("sitzung-datum"))


def _walk(element: Element, transcript: Transcript) -> None:
    transcript.paragraph(element.text or "")
    for child in element:
        if child.tag == "p":
            _paragraph(child, transcript)
        elif child.tag == "kommentar":
            transcript.interjection(_words(child))
        elif child.tag == "name":
            transcript.speaker(parse_label(_words(child)))
        elif child.tag == "zitat" and child.find("p") is None:
            _say(_pieces(child), transcript)
        elif child.tag == "rede":
            transcript.spoken = child.get("redeart") not in _FOR_THE_RECORD
            _walk(child, transcript)
            transcript.spoken = True
        elif child.tag not in _LEFT_OUT and child.tag not in ("a", "redner"):
            _walk(child, transcript)
        transcript.paragraph(child.tail or "")


def _paragraph(paragraph: Element, transcript: Transcript) -> None:
    style = paragraph.get("klasse", "")
    text = one_line(_words(paragraph))
    if style.startswith("AL_") or CLOSING.match(text):
        return
    if style == "N" and (speaker := parse_label(text)) and speaker.chair:
        transcript.speaker(speaker)
    elif style.startswith("T") and not _SAID.search(text):
        transcript.heading(text)
    else:
        _say(_pieces(paragraph), transcript)


def _say(pieces: Iterable[Piece], transcript: Transcript) -> None:
    """Add the speech in a paragraph, its interjections, and any change of speaker within it."""
    said = ""
    redner: Element | None = None
    for piece in pieces:
        if isinstance(piece, str):
            said += piece
            continue
        _end(redner, said, transcript)
        said, redner = "", None
        if isinstance(piece, Interjection):
            transcript.interjection(piece.text)
        else:
            redner = piece
    _end(redner, said, transcript)


def _end(redner: Element | None, said: str, transcript: Transcript) -> None:
    if redner is not None:
        speaker, said = _labelled(redner, one_line(said))
        transcript.speaker(speaker)
    transcript.paragraph(said)


def _labelled(redner: Element, text: str) -> tuple[Speaker | None, str]:
    """Return the speaker, as in the printed label if any, and the speech; ``text`` is what follows the ``redner``."""
    named = _named(redner)
    label, colon, speech = text.partition(":")
    printed = label.strip() if len(label) <= _LONGEST_LABEL else ""
    names = re.split(r"[(,]", printed, maxsplit=1)[0]
    surname = named.name.split(" (")[0].split()[-1] if named else ""
    # A label must name the same person and nothing else: a speech can start with "Ich sage nur:".
    if (strict_label(printed) if not named else is_name(names) and surname in names) and (colon or not speech):
        return parse_label(printed), speech
    return named, text


def _named(redner: Element) -> Speaker | None:
    """Return the speaker from the structured form, used if there is no printed label."""

    def part(*tags: str) -> str:
        return one_line(" ".join("".join(found.itertext()) for tag in tags for found in redner.iter(tag)))

    role = part("rolle_lang")
    # The first name of presiding officers repeats their office.
    name = part("titel", "vorname", "namenszusatz", "nachname", "ortszusatz").removeprefix(role).strip()
    return Speaker(name, part("fraktion") or None, role or None, is_chair(role)) if name else None


Piece = str | Interjection | Element


def _pieces(element: Element) -> Iterator[Piece]:
    """Yield the text in page order, with interjections and ``redner`` elements where they occur in it."""
    yield element.text or ""
    children = list(element)
    for index, child in enumerate(children):
        footnote_mark = child.tag == "sup" and [after.tag for after in children[index + 1 : index + 2]] == ["fussnote"]
        page_number = child.get("typ") == "druckseitennummer"
        if child.tag == "kommentar":
            yield Interjection(one_line(_words(child)))
        elif child.tag == "redner":
            yield child
        elif child.tag in _LEFT_OUT or child.tag == "br":
            yield "" if child.tag == "fussnote" else " "
        elif not footnote_mark and not page_number:
            blank = " " if child.tag == "p" else ""
            yield blank
            yield from _pieces(child)
            yield blank
        yield child.tail or ""


def _words(element: Element) -> str:
    return "".join(piece for piece in _pieces(element) if isinstance(piece, str))
