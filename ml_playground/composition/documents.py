"""A TOML file as the user wrote it: its table, and the line of each key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from ml_playground.errors import ConfigError, printable

Table = dict[str, object]


@dataclass(frozen=True)
class Document:
    """One parsed file."""

    path: Path
    text: str
    table: Table

    @property
    def name(self) -> str:
        """The path as a person would type it from here."""
        path = self.path.resolve()
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

    @property
    def parents(self) -> list[str]:
        """Experiments that this one inherits from, the weakest first.

        Raises:
            ConfigError: ``defaults`` is not a list of names.
        """
        parents = self.table.get("defaults", [])
        names = cast("list[object]", parents) if isinstance(parents, list) else [parents]
        if not isinstance(parents, list) or not all(isinstance(name, str) for name in names):
            raise self.error("defaults", 'must be a list of experiment names, such as ["bundestag_char"]')
        return [str(name) for name in names]

    @cached_property
    def values(self) -> Table:
        """The table without ``defaults``."""
        return {key: value for key, value in self.table.items() if key != "defaults"}

    def leaves(self) -> Iterator[tuple[str, object]]:
        """Dotted key and value of everything the file sets, in its order."""
        yield from _leaves(self.values, "")

    def get(self, key: str) -> object | None:
        """The value at a dotted key, or None."""
        return lookup(self.table, key)

    def line_of(self, key: str) -> int:
        """Line (from 1) that completes the dotted key: the shortest prefix that parses and contains it."""
        lines = self.text.splitlines()
        for count in range(1, len(lines) + 1):
            try:
                table = tomllib.loads("\n".join(lines[:count]))
            except tomllib.TOMLDecodeError:
                continue
            if lookup(table, key) is not None:
                return count
        return 1

    def error(self, key: str, problem: str) -> ConfigError:
        """The one line that names file, line, key and problem."""
        return ConfigError(printable(f"{self.name}:{self.line_of(key)}: {key}: {problem}"))


def read_document(path: Path) -> Document:
    """Parse a file.

    Raises:
        ConfigError: the file is unreadable, not UTF-8, or not TOML.
    """
    empty = Document(path, "", {})
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{empty.name}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{empty.name}: cannot be read: {error.strerror}") from None
    try:
        return Document(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
        line = where[1] if where and where[1] else str(max(1, len(text.splitlines())))
        problem = str(error) if where is None else str(error)[: where.start()].strip()
        raise ConfigError(f"{empty.name}:{line}: not valid TOML: {problem}") from None


def _leaves(table: Table, prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(cast("Table", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def lookup(table: object, key: str) -> object | None:
    """The value at a dotted key of nested tables, or None."""
    for part in key.split("."):
        if not isinstance(table, dict) or part not in table:
            return None
        table = cast("Table", table)[part]
    return table
