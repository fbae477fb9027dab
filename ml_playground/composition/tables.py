"""A TOML file that is one table of known keys, as its dataclass."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from omegaconf import OmegaConf

from ml_playground.composition.checks import check_table, is_interpolation
from ml_playground.composition.documents import Document

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def read_table(document: Document, schema: type[T], *, home: str = "") -> T:
    """Check a file against its schema, and fill in the defaults.

    Args:
        home: What the file puts before the keys of an experiment.

    Raises:
        ConfigError: the first unknown key or wrong value, in the order of the file.
    """
    check_table(document, document.table, schema, home=home)
    for key, value in document.leaves():
        if any(map(is_interpolation, cast("list[object]", value) if isinstance(value, list) else [value])):
            raise document.error(key, "refers to another value, which only an experiment can; write the value itself")
    table = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), document.table))
    assert isinstance(table, schema)
    return table
