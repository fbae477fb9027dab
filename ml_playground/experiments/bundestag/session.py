"""A sitting of the Bundestag, whatever format it was read from, and the one layout that it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from ml_playground.text.config import LayoutConfig


@dataclass(frozen=True)
class Speaker:
    """Who speaks, as printed: titles belong to the name, and so does the town that tells namesakes apart."""

    name: str
    party: str | None = None
    """The party or parliamentary group."""
    role: str | None = None
    """The office, such as ``Bundeskanzlerin`` or, for the chair, ``Vizepräsident``."""
    chair: bool = False


@dataclass(frozen=True)
class Paragraph:
    """What is said; one line."""

    text: str


@dataclass(frozen=True)
class Heading:
    """What is printed between what is said: an item of the agenda, or the number of a printed paper; one line."""

    text: str


@dataclass(frozen=True)
class Interjection:
    """What the house does or shouts meanwhile, with its brackets; one line."""

    text: str


Line = Paragraph | Heading | Interjection


@dataclass(frozen=True)
class Turn:
    """What one speaker says until the next one does."""

    speaker: Speaker | None
    """None for text that comes before anyone has been named."""
    content: tuple[Line, ...]
    spoken: bool = True
    """False for a speech that was handed in for the record."""


@dataclass(frozen=True)
class Session:
    """One sitting."""

    term: int
    number: int
    date: date
    turns: tuple[Turn, ...]


def render(session: Session, layout: LayoutConfig | None = None) -> str:
    r"""The sitting as running text; sittings can be written one after the other.

    A turn is the speaker's line, then a line for each paragraph and interjection in order, then an empty line::

        Vizepräsidentin Petra Pau:
        Das Wort hat die Kollegin Holzmann.

        Dr. Renate Holzmann (SPD):
        Frau Präsidentin! Meine Damen und Herren!
        (Beifall bei der SPD)
        Ich komme gleich zur Sache.

        Jens Ott, Bundesminister der Finanzen:
        Sehr gern.

    Turns of which the layout leaves nothing are left out.
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
