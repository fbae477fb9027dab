"""A sitting, taken apart where one item of the agenda ends and the next begins."""

from __future__ import annotations

import re
from dataclasses import replace

from ml_playground.text.bundestag.session import Session, Turn

# "Ich rufe den Tagesordnungspunkt 3 auf:", "Dann rufe ich auf: Punkt 5 der Tagesordnung". All formats print it alike.
_CALL = re.compile(r"\brufe\b.*(Tagesordnung|Zusatzpunkt|Einzelplan|\bPunkte?\b)")


def agenda_items(session: Session) -> list[Session]:
    """The items of a sitting, each with all that is said about it; no turn is cut in two.

    An item begins with the turn in which the chair calls it up, which may end the one before. What comes before the
    first call is an item too.
    """
    items: list[list[Turn]] = [[]]
    for turn in session.turns:
        if items[-1] and _calls(turn):
            items.append([])
        items[-1].append(turn)
    return [replace(session, turns=tuple(turns)) for turns in items]


def single_turns(session: Session) -> list[Session]:
    """The turns of a sitting, one by one."""
    return [replace(session, turns=(turn,)) for turn in session.turns]


def _calls(turn: Turn) -> bool:
    chair = turn.speaker is not None and turn.speaker.chair
    return chair and any(_CALL.search(part.text) for part in turn.content)
