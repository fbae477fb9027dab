"""A TOML file as the user wrote it: its table, and the line of each key."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

from ml_playground.durable import read_regular
from ml_playground.errors import ConfigError, printable

Table = dict[str, object]
_DEEPEST = 50


@dataclass(frozen=True)
class Document:
    """One parsed file."""

    path: Path
    text: str
    table: Table

    @property
    def name(self) -> str:
        """Path relative to the working directory if it is inside, else the absolute path."""
        path = Path(os.path.abspath(self.path))  # noqa: PTH100  # keeps the name of a symbolic link
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

    @property
    def parents(self) -> list[str]:
        """Experiments that this one inherits from, in order of increasing precedence.

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
        """Yield the dotted key and value of everything the file sets, in file order."""
        yield from _leaves(self.values, "")

    def get(self, key: str) -> object | None:
        """Return the value at a dotted key, or None."""
        return lookup(self.table, key)

    def line_of(self, key: str) -> int:
        """Return the line (from 1) that completes the dotted key: the shortest prefix that parses and contains it."""
        lines = self.text.split("\n")  # TOML has no other line ends
        for count in range(1, len(lines) + 1):
            try:
                table = tomllib.loads("\n".join(lines[:count]))
            except (ValueError, RecursionError):
                continue
            if lookup(table, key) is not None:
                return count
        return 1

    def error(self, key: str, problem: str) -> ConfigError:
        """Return a one-line error with file, line, key and problem."""
        return ConfigError(printable(f"{self.name}:{self.line_of(key)}: {key}: {problem}"))


def read_document(path: Path) -> Document:
    """Parse a file.

    Raises:
        ConfigError: the file is unreadable, not UTF-8, or not TOML.
    """
    name = Document(path, "", {}).name
    try:
        text = read_regular(path).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    try:
        document = Document(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
        line = where[1] if where and where[1] else str(text.rstrip("\n").count("\n") + 1)
        problem = str(error) if where is None else str(error)[: where.start()].strip()
        raise ConfigError(f"{name}:{line}: not valid TOML: {problem}") from None
    except RecursionError:
        raise ConfigError(f"{name}: not valid TOML: nested too deeply") from None
    except ValueError as error:  # Python's limit on the digits of an integer
        digits = re.search(r"\d{1000}", text.replace("_", ""))
        line = text[: digits.start()].count("\n") + 1 if digits else 1
        raise ConfigError(f"{name}:{line}: not valid TOML: {str(error).split(';')[0]}") from None
    _refuse_extremes(document)
    return document


def _refuse_extremes(document: Document) -> None:
    """Reject values that TOML's grammar allows but that no parser has to accept."""
    waiting: list[tuple[object, str, int]] = [(document.table, "", 0)]
    while waiting:
        value, key, depth = waiting.pop()
        if depth > _DEEPEST:
            raise document.error(key, f"nested more than {_DEEPEST} levels deep")
        if isinstance(value, dict):
            inner = cast("Table", value).items()
            waiting += [(item, f"{key}.{name}" if key else name, depth + 1) for name, item in inner]
        elif isinstance(value, list):
            waiting += [(item, key, depth + 1) for item in cast("list[object]", value)]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise document.error(key, "is an integer of more than 64 bits")


def _leaves(table: Table, prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(cast("Table", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def lookup(table: object, key: str) -> object | None:
    """Return the value at a dotted key of nested tables, or None. Quoted names may contain dots themselves."""
    if not isinstance(table, dict):
        return None
    table = cast("Table", table)
    if key in table:
        return table[key]
    heads = (key[:place] for place, character in enumerate(key) if character == "." and key[:place] in table)
    found = (lookup(table[head], key[len(head) + 1 :]) for head in heads)
    return next((value for value in found if value is not None), None)
