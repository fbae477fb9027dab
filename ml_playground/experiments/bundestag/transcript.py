"""Collect the turns of a sitting while a reader processes its source."""

from __future__ import annotations

from datetime import date, datetime

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.line import END_OF_SENTENCE, ITEM, PAPER, closing_bracket, one_line
from ml_playground.experiments.bundestag.session import Heading, Interjection, Line, Paragraph, Session, Speaker, Turn


class Transcript:
    """The turns so far, with their speakers."""

    def __init__(self) -> None:
        self.spoken = True
        """Whether the following text is spoken rather than submitted for the record."""
        self._turns: list[tuple[Speaker | None, bool, list[Line]]] = [(None, True, [])]

    def speaker(self, speaker: Speaker | None) -> None:
        """Start a turn, unless the speaker already has the floor: labels are repeated after headings and breaks."""
        if speaker and (speaker, self.spoken) != self._turns[-1][:2]:
            self._turns.append((speaker, self.spoken, []))

    def paragraph(self, text: str) -> None:
        """Add spoken text; a paragraph that is entirely in parentheses is an interjection."""
        line = one_line(text)
        self._add(Interjection(line) if line and closing_bracket(line) == len(line) else Paragraph(line))

    def heading(self, text: str) -> None:
        """Add text that is printed but not spoken."""
        self._add(Heading(one_line(text)))

    def interjection(self, text: str) -> None:
        """Add an action or a heckle of the house."""
        self._add(Interjection(one_line(text)))

    def mark_headings(self) -> None:
        """Distinguish headings from the chair's words, for sources that do not.

        Headings follow the chair's call of an agenda item, which ends with a colon, and do not end with a period.
        """
        for speaker, _, content in self._turns:
            called = False
            for place, line in enumerate(content):
                if not isinstance(line, Paragraph) or not (speaker and speaker.chair):
                    called = False
                elif PAPER.fullmatch(line.text) or (called and not END_OF_SENTENCE.search(line.text)):
                    content[place] = Heading(line.text)
                else:
                    called = bool(ITEM.search(line.text)) and line.text.endswith(":")

    def _add(self, line: Line) -> None:
        if not line.text:
            return
        speaker, spoken, content = self._turns[-1]
        if spoken is not self.spoken:
            content = list[Line]()
            self._turns.append((speaker, self.spoken, content))
        content.append(line)

    def session(self, term: str | None, number: str | None, day: str | None) -> Session:
        """Return the sitting with its metadata; the day is in the format ``24.10.2017`` or ``2017-10-24``.

        Raises:
            DataError: a value is missing or is not a number or date, or there are no speeches.
        """
        turns = tuple(Turn(speaker, tuple(content), spoken) for speaker, spoken, content in self._turns if content)
        if not turns:
            raise DataError("has no speeches; is it a plenary protocol?")
        return Session(_whole_number(term, "term"), _whole_number(number, "session number"), _date(day), turns)


def _whole_number(text: str | None, what: str) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise DataError(f"its {what} is {text!r}, which is not a number") from None


def _date(text: str | None) -> date:
    day = (text or "").strip()
    try:
        return datetime.strptime(day, "%d.%m.%Y").date() if "." in day else date.fromisoformat(day)
    except ValueError:
        raise DataError(f"its date is {text!r}, which is not a date") from None
