"""Tables, in which brackets are no markup and a name cannot steer the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table as RichTable
from rich.text import Text

from ml_playground.errors import printable
from ml_playground.terminal.console import console

_PIPE_WIDTH = 200


class Table:
    """Rows of text under headings; the columns of numbers are right-aligned."""

    def __init__(self, headings: Sequence[str], *, numbers: Iterable[str] = ()) -> None:
        """``numbers``: the headings over numbers."""
        self._table = RichTable(box=None, pad_edge=False)
        right = set(numbers)
        for heading in headings:
            self._table.add_column(Text(printable(heading)), justify="right" if heading in right else "left")

    def add(self, *cells: str) -> None:
        """One row."""
        self._table.add_row(*(Text(printable(cell)) for cell in cells))

    def say(self) -> None:
        """Show it among the lines of status."""
        console.print(self._table)

    def print(self) -> None:
        """Write it to standard output. Through a pipe there is no width to fit into, and nothing may be cut."""
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        Console(highlight=False, markup=False, emoji=False, width=width).print(self._table)

    def with_line(self, line: str) -> Group:
        """The table above a line, for a :class:`LiveTable`."""
        return Group(self._table, Text(line))


class LiveTable(AbstractContextManager["LiveTable"]):
    """A table at the bottom of a terminal that is drawn again and again; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        if console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    @property
    def is_shown(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self._live.is_started

    def update(self, table: Table, line: str) -> None:
        """Draw a table with a line below it."""
        self._live.update(table.with_line(line))
