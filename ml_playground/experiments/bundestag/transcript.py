"""Collects the turns of a sitting while a reader goes through its source."""

from __future__ import annotations

from datetime import date, datetime

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.line import END_OF_SENTENCE, ITEM, PAPER, closing_bracket, one_line
from ml_playground.experiments.bundestag.session import Heading, Interjection, Line, Paragraph, Session, Speaker, Turn


class Transcript:
    """What was said so far, by whom."""

    def __init__(self) -> None:
        self.spoken = True
        """Whether what comes next is said, and not handed in for the record."""
        self._turns: list[tuple[Speaker | None, bool, list[Line]]] = [(None, True, [])]

    def speaker(self, speaker: Speaker | None) -> None:
        """Begin a turn, unless the speaker has the floor: labels are repeated after headings and pauses."""
        if speaker and (speaker, self.spoken) != self._turns[-1][:2]:
            self._turns.append((speaker, self.spoken, []))

    def paragraph(self, text: str) -> None:
        """What is said; a paragraph that is one bracket is what the house does meanwhile."""
        line = one_line(text)
        self._add(Interjection(line) if line and closing_bracket(line) == len(line) else Paragraph(line))

    def heading(self, text: str) -> None:
        """What is printed, and not said."""
        self._add(Heading(one_line(text)))

    def interjection(self, text: str) -> None:
        """What the house does or shouts."""
        self._add(Interjection(one_line(text)))

    def mark_headings(self) -> None:
        """Tell headings from what the chair says, where the source does not.

        They stand below the chair's call of an item, which ends with a colon, and end without a full stop.
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
        """The sitting, with what its source says about it; the day is ``24.10.2017`` or ``2017-10-24``.

        Raises:
            DataError: a fact is missing or is no number or date, or nobody said anything.
        """
        turns = tuple(Turn(speaker, tuple(content), spoken) for speaker, spoken, content in self._turns if content)
        if not turns:
            raise DataError("has no speeches; is it a plenary protocol?")
        return Session(_whole_number(term, "term"), _whole_number(number, "session number"), _date(day), turns)


def _whole_number(text: str | None, what: str) -> int:
    try:
        return int(text or "")
    except ValueError:
        raise DataError(f"its {what} is {text!r}, which is no number") from None


def _date(text: str | None) -> date:
    day = (text or "").strip()
    try:
        return datetime.strptime(day, "%d.%m.%Y").date() if "." in day else date.fromisoformat(day)
    except ValueError:
        raise DataError(f"its date is {text!r}, which is no date") from None
