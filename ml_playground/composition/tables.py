"""Read a TOML file that is a single table of known keys into its dataclass."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeVar, cast, get_args, get_origin, get_type_hints

from ml_playground.composition.checks import check_table
from ml_playground.composition.documents import Document
from ml_playground.composition.schema import Schema, plain_type
from ml_playground.composition.strings import is_reference

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def read_table(document: Document, schema: type[T], *, key: str = "", home: str = "") -> T:
    """Check a file against its schema, and fill in the defaults.

    Args:
        document: The file.
        schema: The dataclass of its table.
        key: A table of the file to read instead of the whole.
        home: What the file puts before the keys of an experiment.

    Raises:
        ConfigError: the first unknown key or wrong value, in file order.
    """
    table = cast("dict[str, object]", document.get(key)) if key else document.table
    prefix = f"{key}." if key else ""
    check_table(document, table, Schema(schema), prefix=prefix, home=home)
    for name, value in document.leaves():
        if name.startswith(prefix) and any(
            map(is_reference, cast("list[object]", value) if isinstance(value, list) else [value])
        ):
            raise document.error(name, "refers to another value, which only an experiment can; write the value itself")
    # Not through OmegaConf, whose grammar does not treat `???` as a string.
    hints = get_type_hints(schema)
    return schema(**{name: _typed(value, plain_type(hints[name])) for name, value in table.items()})


def _typed(value: object, hint: object) -> object:
    """Convert a checked value to the type of its field: TOML has no enumerations."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint[str(value)]
    if get_origin(hint) is dict:
        table = cast("dict[str, object]", value)
        return {name: _typed(entry, get_args(hint)[1]) for name, entry in table.items()}
    return value
