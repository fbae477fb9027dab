"""Collects the turns of a sitting while a reader goes through its source."""

from __future__ import annotations

from datetime import date, datetime

from ml_playground.errors import DataError
from ml_playground.text.bundestag.line import one_line
from ml_playground.text.bundestag.session import Interjection, Paragraph, Session, Speaker, Turn


class Transcript:
    """What was said so far, by whom."""

    def __init__(self) -> None:
        self._turns: list[tuple[Speaker | None, list[Paragraph | Interjection]]] = [(None, [])]

    def speaker(self, speaker: Speaker | None) -> None:
        """Begin a turn, unless the speaker has the floor: labels are repeated after headings and pauses."""
        if speaker and speaker != self._turns[-1][0]:
            self._turns.append((speaker, []))

    def paragraph(self, text: str) -> None:
        if line := one_line(text):
            self._turns[-1][1].append(Paragraph(line))

    def interjection(self, text: str) -> None:
        if line := one_line(text):
            self._turns[-1][1].append(Interjection(line))

    def session(self, term: str | None, number: str | None, day: str | None) -> Session:
        """The sitting, with what its source says about it; the day is ``24.10.2017`` or ``2017-10-24``.

        Raises:
            DataError: a fact is missing or is no number or date, or nobody said anything.
        """
        turns = tuple(Turn(speaker, tuple(content)) for speaker, content in self._turns if content)
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
