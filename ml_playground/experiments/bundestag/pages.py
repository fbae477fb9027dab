"""Lines of printed pages: the sitting without table of contents, page headers, running heads and lists of votes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.hyphenation import join
from ml_playground.experiments.bundestag.label import is_name, is_office, strict_label
from ml_playground.experiments.bundestag.line import CLOSING, one_line
from ml_playground.experiments.bundestag.session import Speaker

FULL_LINE = 40
"""Minimum length of a full line of a printed column; shorter lines end a paragraph."""

_LABEL_LINES = 3
_LONGEST_LABEL = 160
# Deutscher Bundestag — 143. Sitzung. Bonn, Mittwoch, ...; since term 2 with the term, page number before or after.
_HEADER = re.compile(r"(\d+\*? ?)?Deutscher Bundestag ?[—–-] ?(\d+\. Wahlperiode ?[—–-] ?)?\d+\. Sitzung\b")
_HEADER_REST = re.compile(r"(den )?\d{1,2}\. \w+ \d{4}\b.{0,8}")
_COLUMN = re.compile(r"(\([A-D]\) ?)+")
_ANNEX = re.compile(r"Anlagen? zum Stenogra(f|ph)ischen Bericht")
_VOTES = "Endgültiges Ergebnis"
_WORDS_OF_SPEECH = 5
_HYPHEN_AT_END = re.compile(r"[\u00ad¬](?=\s*\n)")


@dataclass(frozen=True)
class Label:
    """A label found in the lines: the speaker, the text after it on its line, and the number of lines it takes."""

    speaker: Speaker
    rest: str
    lines: int


def sitting_lines(text: str) -> list[str]:
    """Return the lines from the chair's first to the last words; empty lines separate printed blocks.

    Raises:
        DataError: the chair never speaks.
    """
    lines = [one_line(line) for line in _HYPHEN_AT_END.sub("-", text).splitlines()]
    # Entries in the table of contents name the chair too, but without the colon.
    start = next((at for at in range(len(lines)) if (label := label_at(lines, at)) and label.speaker.chair), None)
    if start is None:
        raise DataError("has no line such as 'Präsident Dr. Ehlers:', with which a sitting begins")
    sitting: list[str] = []
    for line in lines[start:]:
        if CLOSING.match(line) or _ANNEX.match(line):
            break
        sitting.append(line)
    return _without_votes(_without_headers(sitting))


def label_at(lines: Sequence[str], start: int) -> Label | None:
    """Return the label that starts on this line, if any; long labels span several lines."""
    head = ""
    for count, line in enumerate(lines[start : start + _LABEL_LINES], 1):
        # Only labels with a parenthesis or an office span several lines.
        if not line or (count > 1 and not re.search("[(,]", head)):
            return None
        head = join(head, line)
        label, colon, rest = head.partition(":")
        if len(label) > _LONGEST_LABEL:
            return None
        if colon:
            speaker = strict_label(label)
            return Label(speaker, rest.strip(), count) if speaker else None
    return None


def _without_headers(lines: Sequence[str]) -> list[str]:
    labels = filter(None, (label_at(lines, at) for at in range(len(lines))))
    surnames = {re.sub(r"\(.*?\)", "", label.speaker.name).split()[-1] for label in labels}

    def running_head(before: str, line: str, after: str) -> bool:
        """Return whether a line is the speaker's name at the top or bottom of a page, parenthesized in early terms."""
        name = line.strip("()")
        if before or not is_name(name):
            return False
        known = name.split()[-1] in surnames
        return known or is_office(name) if line.startswith("(") else known and not after

    kept: list[str] = []
    for before, line, after in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        header = _HEADER.match(line) or (_HEADER.match(before) and _HEADER_REST.fullmatch(line))
        if not (header or _COLUMN.fullmatch(line) or running_head(before, line, after)):
            kept.append(line)
    return kept


def _without_votes(lines: Sequence[str]) -> list[str]:
    """Remove lists of votes by name, printed within a speech; the speech resumes with the first line of prose."""
    kept: list[str] = []
    voting = False
    for at, line in enumerate(lines):
        if line == _VOTES:
            voting = True
        elif voting:
            words = line.startswith("(") or len(line.split()) >= _WORDS_OF_SPEECH
            voting = not ((words and not is_name(line)) or label_at(lines, at))
        if not voting:
            kept.append(line)
    return kept
