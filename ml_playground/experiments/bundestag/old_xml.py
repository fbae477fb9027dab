"""Protocols of terms 1 to 18: root element ``DOKUMENT``, the whole protocol as flat text in ``TEXT``.

The facts are those of the Bundestag's DTD ``BUNDESTAGSDOKUMENTE.dtd``, and of the protocols themselves. The text was
taken from the printed pages, with their contents list, headers and columns, in one of two ways:

- wrapped: lines as printed, words hyphenated at line ends, labels on lines of their own, an empty line after a
  paragraph, but also where a column ends and after the indented first line of a speech;
- flowing, from scanned pages: mostly a paragraph a line, labels in front of it, an empty line only at a page's end.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial, reduce
from xml.etree.ElementTree import Element

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.hyphenation import join
from ml_playground.experiments.bundestag.line import END_OF_SENTENCE, closing_bracket
from ml_playground.experiments.bundestag.pages import FULL_LINE, Label, label_at, sitting_lines
from ml_playground.experiments.bundestag.session import Session
from ml_playground.experiments.bundestag.transcript import Transcript

_LONGEST_PRINTED_LINE = 100
_LONGEST_INTERJECTION = 15


def read_old_xml(root: Element) -> Session:
    """The sitting in a ``DOKUMENT``.

    Raises:
        DataError: it is no plenary protocol, it is empty, or term, number or date are wrong.
    """
    kind = root.findtext("DOKUMENTART", "").strip()
    if kind != "PLENARPROTOKOLL":
        raise DataError(f"is a document of the kind {kind!r}, not 'PLENARPROTOKOLL'")
    transcript = Transcript()
    _Printed(sitting_lines(root.findtext("TEXT", "")), transcript).read()
    transcript.mark_headings()
    number = root.findtext("NR", "").rpartition("/")[2]
    return transcript.session(root.findtext("WAHLPERIODE"), number, root.findtext("DATUM"))


class _Printed:
    """Puts the lines of a sitting back together."""

    def __init__(self, lines: Sequence[str], transcript: Transcript) -> None:
        self.lines = lines
        self.transcript = transcript
        long_lines = sum(len(line) > _LONGEST_PRINTED_LINE for line in lines)
        self.wrapped = long_lines < len(lines) / 20
        self.hyphenated = {word for line in lines for word in re.findall(r"\b\w+(?:-\w+)+", line)}
        labels = filter(None, (label_at(lines, at) for at in range(len(lines))))
        self.chairs = Counter(label.speaker.name for label in labels if label.speaker.chair)
        self.paragraph = self.last_line = ""
        self.lines_of_turn = 0

    def read(self) -> None:
        at = 0
        while at < len(self.lines):
            line, before = self.lines[at], self.lines[at - 1] if at else ""
            if (label := label_at(self.lines, at)) and not self.quotes(label, before):
                self.end_paragraph()
                self.transcript.speaker(label.speaker)
                self.paragraph = self.last_line = label.rest
                self.lines_of_turn = 0
                at += label.lines
            # Within a wrapped block a bracket at a line's start is one within a sentence.
            elif line.startswith("(") and not (self.wrapped and before and self.paragraph):
                at += self.interjection(at)
            else:
                self.text(line, before)
                at += 1
        self.end_paragraph()

    def quotes(self, label: Label, before: str) -> bool:
        """Whether a line that begins like a label is the middle of a sentence: ``the words of / President Reagan: …``.

        In wrapped text labels have lines of their own, and a sentence has ended before. Else only what presides over
        nothing here is doubted: a chair that is named once.
        """
        if not before or not self.paragraph:
            return False
        unfinished = not END_OF_SENTENCE.search(self.paragraph)
        if self.wrapped:
            return bool(label.rest) or unfinished
        return unfinished and label.speaker.chair and self.chairs[label.speaker.name] == 1

    def end_paragraph(self) -> None:
        self.transcript.paragraph(self.paragraph)
        self.paragraph = ""

    def text(self, line: str, before: str) -> None:
        if not line:
            return
        if self.paragraph and not (before and self.wrapped) and not self.goes_on(line):
            self.end_paragraph()
        self.paragraph = join(self.paragraph, line, self.hyphenated)
        self.last_line = line
        self.lines_of_turn += 1

    def goes_on(self, line: str) -> bool:
        """Whether the paragraph continues although a block or a line has ended."""
        # A speech does not pause after "Herr Präsident!": there the indented first line ends.
        salutation = self.wrapped and self.lines_of_turn == 1 and self.paragraph.endswith("!")
        if salutation or line[0].islower() or self.paragraph.endswith("-"):
            return True
        return not END_OF_SENTENCE.search(self.paragraph) and len(self.last_line) >= FULL_LINE

    def interjection(self, start: int) -> int:
        """Take the interjection that begins on this line, up to the bracket that closes it; the number of lines."""
        self.end_paragraph()
        whole = ""
        for count, line in enumerate(self.lines[start : start + _LONGEST_INTERJECTION], 1):
            if count > 1 and label_at(self.lines, start + count - 1):
                break
            whole = join(whole, line, self.hyphenated) if line else whole
            if end := closing_bracket(whole):
                self.transcript.interjection(whole[:end])
                self.paragraph = self.last_line = whole[end:].strip()
                return count
        # The closing bracket is lost: what is printed together.
        end = self.lines.index("", start) if self.wrapped and "" in self.lines[start:] else start + 1
        self.transcript.interjection(reduce(partial(join, hyphenated=self.hyphenated), self.lines[start:end]))
        return end - start
