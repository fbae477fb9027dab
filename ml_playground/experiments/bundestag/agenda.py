"""A sitting, taken apart between speeches."""

from __future__ import annotations

from dataclasses import replace

from ml_playground.experiments.bundestag.session import Session, Turn

_SHORTEST = 2000
"""Characters: less is the chair giving the floor, or a question, and belongs to what comes of it."""


def passages(session: Session) -> list[Session]:
    """The speeches of a sitting, each with the words of the chair that introduce it; no turn is cut in two.

    A passage begins with a turn of the chair where the one before is long enough; a short end belongs to the last.
    """
    found: list[list[Turn]] = [[]]
    for turn in session.turns:
        if turn.speaker and turn.speaker.chair and _size(found[-1]) >= _SHORTEST:
            found.append([])
        found[-1].append(turn)
    if len(found) > 1 and _size(found[-1]) < _SHORTEST:
        short = found.pop()
        found[-1] += short
    return [replace(session, turns=tuple(turns)) for turns in found]


def _size(turns: list[Turn]) -> int:
    return sum(len(line.text) for turn in turns for line in turn.content)
