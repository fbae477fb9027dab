"""Plain text in aligned columns, for long listings: Rich takes a second for a thousand rows."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from ml_playground.errors import printable


def aligned(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Return a line per row, with control characters escaped.

    Args:
        rows: Cells, as many in each row.
        right: Indices of the columns that are aligned to the right.
    """
    if not rows:
        return []
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    rights = set(right)
    lines: list[str] = []
    for row in cells:
        padded = [
            " " * (width - _width(cell)) + cell if index in rights else cell + " " * (width - _width(cell))
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def _width(text: str) -> int:
    """Return the width on a terminal, where East Asian characters take two columns and combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
