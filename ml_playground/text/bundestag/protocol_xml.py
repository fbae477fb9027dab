"""Protocols from term 19 on: root element ``dbtplenarprotokoll``, one element for each paragraph and interjection.

The facts are those of the Bundestag's DTD ``dbtplenarprotokoll.dtd`` (of 20 January 2022) and of the protocols
themselves, which do not all follow it:

- ``sitzungsverlauf`` is the sitting; front matter, annexes and the list of speakers lie outside it.
- ``<p klasse="redner">`` names who speaks next. Its ``redner`` says so in parts, the text behind that as printed; the
  printed label can be missing.
- A bare ``<name>Präsident …:</name>`` or ``<p klasse="N">`` gives the floor to the chair until the next
  ``<p klasse="redner">``, so a ``rede`` is not one speaker, and paragraphs outside of it still have one.
- Paragraphs of the classes ``AL_*`` are lists of who voted how; all others are text, also those without a class.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from ml_playground.errors import DataError
from ml_playground.text.bundestag.label import is_chair, parse_label
from ml_playground.text.bundestag.line import CLOSING, one_line
from ml_playground.text.bundestag.session import Session, Speaker
from ml_playground.text.bundestag.transcript import Transcript

# What is printed at the foot or in columns, and who speaks in parts: not among the words that are said.
_NOT_TEXT = frozenset(["fussnote", "table", "redner"])


def read_protocol_xml(root: Element) -> Session:
    """The sitting in a ``dbtplenarprotokoll``.

    Raises:
        DataError: there is no ``sitzungsverlauf``, it is empty, or term, number or date are wrong.
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
            transcript.interjection(_text(child))
        elif child.tag == "name":
            transcript.speaker(parse_label(_text(child)))
        elif child.tag == "zitat" and child.find("p") is None:
            transcript.paragraph(_text(child))
        elif child.tag not in _NOT_TEXT and child.tag != "a":
            _walk(child, transcript)
        transcript.paragraph(child.tail or "")


def _paragraph(paragraph: Element, transcript: Transcript) -> None:
    style = paragraph.get("klasse", "")
    redner = paragraph.find("redner")
    text = one_line(_text(paragraph))
    if redner is not None:
        label, _, speech = text.partition(":")
        transcript.speaker(parse_label(label) or _named(redner))
        transcript.paragraph(speech)
    elif style == "N" and (speaker := parse_label(text)) and speaker.chair:
        transcript.speaker(speaker)
    elif not style.startswith("AL_") and not CLOSING.match(text):
        transcript.paragraph(text)


def _named(redner: Element) -> Speaker | None:
    """The speaker in parts, for want of a printed label."""

    def part(*tags: str) -> str:
        return one_line(" ".join("".join(found.itertext()) for tag in tags for found in redner.iter(tag)))

    role = part("rolle_lang")
    # The office of those who preside is repeated in their first name.
    name = part("titel", "vorname", "namenszusatz", "nachname", "ortszusatz").removeprefix(role).strip()
    return Speaker(name, part("fraktion") or None, role or None, is_chair(role)) if name else None


def _text(element: Element) -> str:
    parts = [element.text or ""]
    children = list(element)
    for index, child in enumerate(children):
        footnote_mark = child.tag == "sup" and [after.tag for after in children[index + 1 : index + 2]] == ["fussnote"]
        page_number = child.get("typ") == "druckseitennummer"
        if child.tag not in _NOT_TEXT and not footnote_mark and not page_number:
            parts.append(f" {_text(child)} " if child.tag == "p" else _text(child))
        parts.append(child.tail or "")
    return "".join(parts)
