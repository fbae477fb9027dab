"""A sitting of the Bundestag, independent of its source format, and the layout in which it is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ml_playground.text.config import LayoutConfig


@dataclass(frozen=True)
class Speaker:
    """A speaker as printed: titles are part of the name, and so is the town that distinguishes namesakes."""

    name: str
    party: str | None = None
    """Party or parliamentary group."""
    role: str | None = None
    """Office, such as ``Bundeskanzlerin`` or, for the chair, ``Vizepräsident``."""
    chair: bool = False


@dataclass(frozen=True)
class Paragraph:
    """Spoken text; one line."""

    text: str


@dataclass(frozen=True)
class Heading:
    """Text that is printed but not spoken: an agenda item, or the number of a printed paper; one line."""

    text: str


@dataclass(frozen=True)
class Interjection:
    """Actions and heckles of the house, in parentheses; one line."""

    text: str


Line = Paragraph | Heading | Interjection


@dataclass(frozen=True)
class Turn:
    """Everything that one speaker says until the next one speaks."""

    speaker: Speaker | None
    """None for text before the first speaker is named."""
    content: tuple[Line, ...]
    spoken: bool = True
    """False for a speech submitted for the record."""


@dataclass(frozen=True)
class Session:
    """One sitting."""

    term: int
    number: int
    date: date
    turns: tuple[Turn, ...]


def render(session: Session, layout: LayoutConfig | None = None) -> str:
    r"""Return the sitting as running text; texts of several sittings can be concatenated.

    A turn is the speaker's line, then a line for each paragraph and interjection in order, then an empty line::

        Vizepräsidentin Petra Pau:
        Das Wort hat die Kollegin Holzmann.

        Dr. Renate Holzmann (SPD):
        Frau Präsidentin! Meine Damen und Herren!
        (Beifall bei der SPD)
        Ich komme gleich zur Sache.

        Jens Ott, Bundesminister der Finanzen:
        Sehr gern.

    Turns that are empty in this layout are omitted.
    """
    layout = layout or LayoutConfig()
    turns: list[str] = []
    left_out = (*(() if layout.interjections else (Interjection,)), *(() if layout.headings else (Heading,)))
    for turn in session.turns:
        lines = [part.text for part in turn.content if not isinstance(part, left_out)]
        if not lines or not (turn.spoken or layout.not_spoken):
            continue
        if turn.speaker and layout.speakers:
            lines.insert(0, _label(turn.speaker, layout))
        turns.append("\n".join(lines) + "\n\n")
    return "".join(turns)


def _label(speaker: Speaker, layout: LayoutConfig) -> str:
    if speaker.chair:
        return f"{speaker.role} {speaker.name}:" if speaker.role else f"{speaker.name}:"
    party = f" ({speaker.party})" if speaker.party and layout.parties else ""
    role = f", {speaker.role}" if speaker.role else ""
    return f"{speaker.name}{party}{role}:"
