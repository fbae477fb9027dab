"""The experiments and sweeps, one line each."""

from __future__ import annotations

from pathlib import Path

from ml_playground.composition.directories import experiment_files, sweep_files
from ml_playground.composition.documents import read_document
from ml_playground.errors import ConfigError, printable


def experiment_lines() -> str:
    """Name and description of every experiment; imports neither Hydra nor torch."""
    return _lines(experiment_files()) or "  none: there is no conf/experiment/*.toml here"


def sweep_lines() -> str:
    """The same of every sweep."""
    return _lines(sweep_files()) or "  none: there is no sweeps/*.toml here"


def _lines(files: dict[str, Path]) -> str:
    width = max(map(len, files), default=0)
    return "\n".join(f"  {printable(name):<{width}}  {_description(path)}" for name, path in files.items())


def _description(path: Path) -> str:
    """One broken file must not hide the others."""
    try:
        return printable(str(read_document(path).get("description") or ""))
    except ConfigError as error:
        return f"({error})"
