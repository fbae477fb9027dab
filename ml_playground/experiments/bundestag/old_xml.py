"""Protocols of terms 1 to 18: root element ``DOKUMENT``, with the whole protocol as flat text in ``TEXT``.

Based on the Bundestag's DTD ``BUNDESTAGSDOKUMENTE.dtd`` and on the protocols themselves. The text was extracted from
the printed pages, with their table of contents, headers and columns, in one of two forms:

- wrapped: lines as printed, words hyphenated at line ends, labels on lines of their own, an empty line after a
  paragraph, but also at the end of a column and after the indented first line of a speech;
- flowing, from scanned pages: mostly one paragraph per line, labels at its start, an empty line only at a page end.
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
    """Read the sitting from a ``DOKUMENT``.

    Raises:
        DataError: it is not a plenary protocol, it is empty, or term, number or date are invalid.
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
    """Reassembles the paragraphs of a sitting from its lines."""

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
            # In a wrapped block, a parenthesis at the start of a line is inside a sentence.
            elif line.startswith("(") and not (self.wrapped and before and self.paragraph):
                at += self.interjection(at)
            else:
                self.text(line, before)
                at += 1
        self.end_paragraph()

    def quotes(self, label: Label, before: str) -> bool:
        """Return whether a label-like line is inside a sentence: ``the words of / President Reagan: …``.

        In wrapped text, labels are on lines of their own and follow a complete sentence. In flowing text, only a chair
        who is named a single time is doubted, as this may be the president of something else.
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
        """Return whether the paragraph continues although a block or a line has ended."""
        # There is no paragraph break after "Herr Präsident!": the indented first line ends there.
        salutation = self.wrapped and self.lines_of_turn == 1 and self.paragraph.endswith("!")
        if salutation or line[0].islower() or self.paragraph.endswith("-"):
            return True
        return not END_OF_SENTENCE.search(self.paragraph) and len(self.last_line) >= FULL_LINE

    def interjection(self, start: int) -> int:
        """Read the interjection that starts on this line, up to its closing parenthesis; return the number of lines."""
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
        # The closing parenthesis is missing: take the printed block.
        end = self.lines.index("", start) if self.wrapped and "" in self.lines[start:] else start + 1
        self.transcript.interjection(reduce(partial(join, hyphenated=self.hyphenated), self.lines[start:end]))
        return end - start
