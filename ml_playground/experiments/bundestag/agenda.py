"""Split a sitting between speeches."""

from __future__ import annotations

from dataclasses import replace

from ml_playground.experiments.bundestag.session import Session, Turn

_SHORTEST = 2000
"""Minimum characters: anything shorter is the chair giving the floor, or a question, and belongs to what follows."""


def passages(session: Session) -> list[Session]:
    """Split a sitting into speeches, each with the chair's words that introduce it; turns are never cut.

    A passage starts with a turn of the chair if the previous passage is long enough; a short remainder is added to the
    last passage.
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
