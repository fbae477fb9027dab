"""Write a resolved config as a TOML file that reproduces the run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import cast

import tomli_w
from omegaconf import MISSING

from ml_playground.composition.paths import path_text
from ml_playground.composition.schema import Schema
from ml_playground.composition.strings import escape, is_reference
from ml_playground.config import ExperimentConfig


def snapshot(config: ExperimentConfig) -> str:
    """Return all settings as TOML, defaults included; unset ones are omitted, as TOML has no null."""
    table = _table(config)
    del table["experiment"]
    paths = Schema(model=type(config.train.model)).paths()
    return tomli_w.dumps({name: _escaped(value, name, paths) for name, value in table.items()})


def _escaped(value: object, key: str, paths: set[str]) -> object:
    """Escape a value so that it has the same meaning when read from a file."""
    if isinstance(value, dict):
        table = cast("dict[str, object]", value)
        return {name: _escaped(inner, f"{key}.{name}", paths) for name, inner in table.items()}
    if isinstance(value, list):
        return [_escaped(item, key, paths) for item in cast("list[object]", value)]
    if not isinstance(value, str):
        return value
    return escape(path_text(value) if key in paths else value)


def settings(config: ExperimentConfig) -> dict[str, object]:
    """Return the training settings by dotted key, such as ``train.optim.learning_rate``."""
    return settings_of(config.train, "train.")


def settings_of(table: object, prefix: str) -> dict[str, object]:
    """Return the settings of a table by dotted key, without those that are unset."""
    return dict(_flat(_table(table), prefix))


def completed(saved: Mapping[str, object], config: ExperimentConfig) -> dict[str, object]:
    """Fill in the defaults of training settings that did not exist in the version that saved them."""
    return {**dict(_flat(_defaults(config.train), "train.")), **saved}


def _defaults(config: object) -> dict[str, object]:
    """Return the defaults of a table's fields, except for those that are unset or derived from another setting."""
    defaults: dict[str, object] = {}
    for field in dataclasses.fields(config):  # type: ignore[arg-type]  # called on config tables only
        if dataclasses.is_dataclass(value := getattr(config, field.name)):
            defaults[field.name] = _defaults(value)
        elif field.default not in (None, MISSING, dataclasses.MISSING) and not is_reference(field.default):
            defaults[field.name] = _plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = _plain(field.default_factory())
    return defaults


def _flat(table: dict[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, object]", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _table(config: object) -> dict[str, object]:
    values = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)  # type: ignore[arg-type]  # called on config tables only
    }
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return _table(value)
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Path):
        return str(value)
    return value
