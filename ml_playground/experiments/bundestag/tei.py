"""GermaParl, a corpus of plenary protocols in TEI: root element ``TEI``.

Based on the corpus as published by PolMine: ``text/body/div[@type=agenda_item]`` contains an ``sp`` for each turn, with
the attributes ``who``, ``name``, ``party``, ``parliamentary_group``, ``role`` and ``position`` (``NA`` if there is
none), which contains ``speaker``, the printed label, ``p`` and ``stage``. Tables of contents and page headers are
already removed; in some terms dashes are written as one or two hyphens, and some words still have a hyphen and a space
from a line end.
"""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree.ElementTree import Element

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.hyphenation import dehyphenate
from ml_playground.experiments.bundestag.label import parse_label
from ml_playground.experiments.bundestag.line import one_line
from ml_playground.experiments.bundestag.session import Session, Speaker
from ml_playground.experiments.bundestag.transcript import Transcript

_APART = frozenset(["lb", "pb", "p", "table", "row", "cell", "list", "item"])
"""Elements that separate words."""
_DASH = re.compile(r"(?<!\S)--?(?=[\s,;.!?]|$)")


def read_tei(root: Element) -> Session:
    """Read the sitting from a GermaParl file, with or without the TEI namespace.

    Raises:
        DataError: there is no ``body``, it is empty, or term, number or date are invalid.
    """
    body = root.find("{*}text/{*}body")
    if body is None:
        raise DataError("has no element 'text/body'")
    transcript = Transcript()
    _walk(body, transcript)
    transcript.mark_headings()
    header = "{*}teiHeader/{*}fileDesc"
    title = f"{header}/{{*}}titleStmt"
    return transcript.session(
        root.findtext(f"{title}/{{*}}legislativePeriod"),
        root.findtext(f"{title}/{{*}}sessionNo"),
        root.findtext(f"{header}/{{*}}publicationStmt/{{*}}date"),
    )


def _walk(element: Element, transcript: Transcript) -> None:
    for child in element:
        tag = _tag(child)
        if tag in ("p", "stage"):
            _say(child, transcript)
        elif tag == "sp":
            transcript.speaker(_speaker(child))
            _walk(child, transcript)
        elif tag == "div":
            _walk(child, transcript)


def _say(element: Element, transcript: Transcript) -> None:
    """Add a paragraph or a stage direction, which may contain others."""
    said = element.text or ""
    add = transcript.interjection if _tag(element) == "stage" else transcript.paragraph
    for child in element:
        if _tag(child) == "stage":
            add(_whole(said))
            _say(child, transcript)
            said = ""
        else:
            blank = " " if _tag(child) in _APART else ""
            said += f"{blank}{''.join(child.itertext())}{blank}"
        said += child.tail or ""
    add(_whole(said))


def _speaker(turn: Element) -> Speaker | None:
    """Return the speaker, preferably from the printed label: unlike the attributes, it has the town of namesakes."""
    chair = turn.get("role") == "presidency"
    if printed := parse_label(turn.findtext("{*}speaker", "")):
        return replace(printed, chair=chair or printed.chair)
    facts = {key: value for key, value in turn.items() if value not in {"", "NA"}}
    name = facts.get("who") or facts.get("name")
    if not name:
        return None
    role = facts.get("position")
    party = None if role else facts.get("parliamentary_group") or facts.get("party")
    return Speaker(name, party, role, chair)


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _whole(text: str) -> str:
    return dehyphenate(_DASH.sub("–", one_line(text)))
