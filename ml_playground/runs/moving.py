"""The same experiment in another run folder."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

from ml_playground.config import ExperimentConfig


def in_folder(config: ExperimentConfig, folder: Path) -> ExperimentConfig:
    """Return a config whose run folder is ``folder``; folders to sample from and to export to move along."""
    moved = copy.deepcopy(config)
    old = moved.train.runtime.out_dir
    for table in (moved.train.runtime, moved.sample, moved.export):
        _move(table, old, folder)
    return moved


def _move(table: object, old: Path, new: Path) -> None:
    for field in dataclasses.fields(table):  # type: ignore[arg-type]  # called on config tables only
        value = getattr(table, field.name)
        if dataclasses.is_dataclass(value):
            _move(value, old, new)
        elif isinstance(value, Path) and value.is_relative_to(old):
            setattr(table, field.name, new / value.relative_to(old))
