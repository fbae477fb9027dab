"""Strict validation of a file against the schema, with the fix in the error message.

OmegaConf would accept "5" as an integer, and its messages hardly say where a wrong key is.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from ml_playground.composition.documents import Document
from ml_playground.composition.schema import Schema, experiment_keys, families_with, plain_type
from ml_playground.composition.strings import is_reference
from ml_playground.config import ModelConfig
from ml_playground.ranges import range_problem

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LeafProblem = Callable[[object, object, dataclasses.Field[object]], str | None]
"""Returns what is wrong with a value for a field of that type, or None."""
RESERVED = {"experiment": "is the name given on the command line; remove it"}
_TOML_NAMES: dict[object, str] = {
    str: "string",
    int: "integer",
    float: "float",
    bool: "boolean",
    list: "array",
    dict: "table",
}


def check_document(document: Document, schema: Schema) -> None:
    """Check the keys and types of a file.

    Raises:
        ConfigError: the first unknown key or wrong type, in file order.
    """
    check_table(document, document.values, schema)


def check_table(
    document: Document,
    table: dict[str, object],
    schema: Schema,
    *,
    kind: type[DataclassInstance] | None = None,
    prefix: str = "",
    home: str = "",
    leaf_problem: LeafProblem | None = None,
) -> None:
    """Check a table of a file, and its subtables.

    Args:
        document: The file, for messages.
        table: The table to check.
        schema: Which keys and types are allowed.
        kind: The table's dataclass; by default the root of the schema.
        prefix: What the file puts before the table's keys.
        home: What the file puts before the keys of an experiment.
        leaf_problem: Checks a value; by default :func:`value_problem`.

    Raises:
        ConfigError: the first unknown key or wrong value, in file order.
    """
    problem_of = leaf_problem or value_problem
    kind = kind or schema.root
    hints = schema.hints(kind)
    for name, value in table.items():
        key = f"{prefix}{name}"
        if (own := key.removeprefix(home)) in RESERVED:
            raise document.error(key, RESERVED[own])
        if name not in hints:
            if issubclass(kind, ModelConfig) and (families := families_with(name)):
                fields = next(iter(families.values())).__dataclass_fields__
                if leaf_problem is None and value == fields[name].default:
                    continue  # snapshots of version 0.1 contain the settings of all families
                names = " and ".join(f'"{family}"' for family in families)
                raise document.error(key, f"is read by family = {names} only; remove {name}")
            raise document.error(key, f"unknown key; {_suggestion(name, list(hints), prefix, home)}")
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, dict):
                raise document.error(key, f"must be a table; write [{key}] and its keys below")
            inner = cast("type[DataclassInstance]", hint)  # a class, not an instance
            check_table(
                document,
                cast("dict[str, object]", value),
                schema,
                kind=inner,
                prefix=f"{key}.",
                home=home,
                leaf_problem=leaf_problem,
            )
        elif problem := problem_of(value, hint, kind.__dataclass_fields__[name]):
            raise document.error(key, problem)


def value_problem(value: object, hint: object, field: dataclasses.Field[object]) -> str | None:
    """Return what is wrong with a value for a field of that type, or None."""
    return type_problem(value, hint) or (range_problem(field, value) if isinstance(value, (int, float)) else None)


def _suggestion(name: str, known: list[str], prefix: str, home: str) -> str:
    table = f"[{prefix.rstrip('.')}]" if prefix else "the top level"
    if "." in name:
        return f"a name in quotes is one key; remove the quotes: {name} = ..."
    if close := difflib.get_close_matches(name, known, n=1):
        return f"did you mean '{close[0]}'?"
    homes = [f"{home}{key.rpartition('.')[0]}" for key in experiment_keys() if key.rpartition(".")[2] == name]
    if homes:
        return f"it belongs in {' or '.join(f'[{table}]' for table in homes)}"
    return f"{table} has: {', '.join(sorted(set(known) - set(RESERVED)))}"


def type_problem(value: object, hint: object) -> str | None:
    """Return what is wrong with a value's type, or None."""
    if is_reference(value):
        return _interpolation_problem(value)
    hint = plain_type(hint)
    if get_origin(hint) is dict:
        return _entries_problem(value, get_args(hint)[1])
    wanted = str if hint is Path else hint
    if get_origin(wanted) is list:
        if isinstance(value, list):
            problems = (type_problem(item, get_args(wanted)[0]) for item in cast("list[object]", value))
            return next((f"has an element that {problem}" for problem in problems if problem), None)
        wanted = list
    if isinstance(hint, type) and issubclass(hint, Enum):
        names = list(hint.__members__)
        if isinstance(value, str) and value in names:
            return None
        close = difflib.get_close_matches(str(value), names, n=1)
        fix = f"did you mean '{close[0]}'?" if close else f"one of {', '.join(names)}"
        return f"{show_value(value)} is not a choice; {fix}"
    if type(value) is wanted or (wanted is float and type(value) is int):
        return None
    quoted = isinstance(value, str) and wanted in (int, float, bool)
    fix = "; remove the quotes" if quoted else '; put it in "quotes"' if wanted is str else ""
    return f"must be {_article(_TOML_NAMES[get_origin(wanted) or wanted])}, not {show_value(value)}{fix}"


def _entries_problem(value: object, hint: object) -> str | None:
    if not isinstance(value, dict):
        return f"must be a table, not {show_value(value)}"
    if hint is Any:
        return None
    problems = ((name, type_problem(entry, hint)) for name, entry in cast("dict[str, object]", value).items())
    return next((f"{name}: {problem}" for name, problem in problems if problem), None)


def _interpolation_problem(value: object) -> str | None:
    try:
        OmegaConf.create([value])
    except RecursionError:
        return "is nested too deeply"
    except GrammarParseError as error:
        return f"{show_value(value)} is not a valid interpolation: {str(error.msg).splitlines()[0]}"
    return None  # the resolved value is checked after composition


def show_value(value: object) -> str:
    """Return a value and its TOML type, for messages."""
    kind = _TOML_NAMES.get(type(value), "date or time")
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return f"the {kind} {text if len(text) <= 60 else text[:57] + '...'}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
