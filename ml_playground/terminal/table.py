"""Tables whose cells are plain text, without markup and with control characters escaped."""

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
    """A text table with headings and right-aligned number columns."""

    def __init__(self, headings: Sequence[str], *, numbers: Iterable[str] = ()) -> None:
        """Create an empty table. ``numbers`` are the headings of number columns."""
        self._table = RichTable(box=None, pad_edge=False)
        right = set(numbers)
        for heading in headings:
            self._table.add_column(Text(printable(heading)), justify="right" if heading in right else "left")

    def add(self, *cells: str) -> None:
        """Add a row."""
        self._table.add_row(*(Text(printable(cell)) for cell in cells))

    def say(self) -> None:
        """Print the table to the status console."""
        console.print(self._table)

    def print(self) -> None:
        """Print the table to standard output. In a pipe, the width is not limited to that of a terminal."""
        width = None if sys.stdout.isatty() else _PIPE_WIDTH
        Console(highlight=False, markup=False, emoji=False, width=width).print(self._table)

    def with_line(self, line: str) -> Group:
        """Return the table with a line below it, for a :class:`LiveTable`."""
        return Group(self._table, Text(line))


class LiveTable(AbstractContextManager["LiveTable"]):
    """A continuously updated table at the bottom of a terminal; does nothing without a terminal."""

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
        """Whether the table is displayed on a terminal."""
        return self._live.is_started

    def update(self, table: Table, line: str) -> None:
        """Display a table with a line below it."""
        self._live.update(table.with_line(line))
