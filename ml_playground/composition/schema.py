"""The tables, keys and types that a file may have."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, cast, get_args, get_origin, get_type_hints

from ml_playground.config import MODEL_CONFIGS, ExperimentConfig, ModelConfig

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Schema:
    """The tables below a root dataclass, where ``[train.model]`` is the table of one model family."""

    root: type[DataclassInstance] = ExperimentConfig
    model: type[ModelConfig] = ModelConfig

    def hints(self, table: type[DataclassInstance]) -> dict[str, Any]:
        """Return the annotations of a table by name; the annotation of a subtable is its dataclass."""
        return {name: self.model if hint is ModelConfig else hint for name, hint in get_type_hints(table).items()}

    def types(self) -> dict[str, object]:
        """Return every dotted key with its type, tables included; for an optional field the type of its value."""
        return _types(self)

    def paths(self) -> set[str]:
        """Return the settings in which ``~`` and ``$VAR`` are expanded."""
        return {key for key, kind in self.types().items() if kind is Path}

    def walk(self, table: type[DataclassInstance], prefix: str) -> Iterator[tuple[str, object]]:
        """Yield the dotted keys below a table with their types."""
        for name, hint in self.hints(table).items():
            yield f"{prefix}{name}", plain_type(hint)
            if dataclasses.is_dataclass(hint):
                yield from self.walk(cast("type[DataclassInstance]", hint), f"{prefix}{name}.")


@functools.cache
def _types(schema: Schema) -> dict[str, object]:
    # Evaluating annotations takes milliseconds, and a sweep asks for every point that it tries.
    return dict(schema.walk(schema.root, ""))


def plain_type(hint: object) -> object:
    """Return the value type of an optional field's type; other types are returned unchanged."""
    if get_origin(hint) in (Union, UnionType):
        return next(arg for arg in get_args(hint) if arg is not type(None))
    return hint


def experiment_keys() -> list[str]:
    """Return every dotted key of an experiment, for all built-in model families."""
    return list(dict.fromkeys(key for model in MODEL_CONFIGS.values() for key in Schema(model=model).types()))


def families_with(setting: str) -> dict[str, type[ModelConfig]]:
    """Return the built-in model families that have a setting, with their tables."""
    return {family: model for family, model in MODEL_CONFIGS.items() if setting in model.__dataclass_fields__}
