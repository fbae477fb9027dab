"""Listings of experiments and sweeps for the help text."""

from __future__ import annotations

from pathlib import Path

from ml_playground.composition.directories import experiment_files, sweep_files
from ml_playground.composition.documents import read_document
from ml_playground.errors import ConfigError, printable


def experiment_lines() -> str:
    """Return a line with name and description per experiment, without importing Hydra or torch."""
    return _lines(experiment_files()) or "  none: there is no conf/experiment/*.toml here"


def sweep_lines() -> str:
    """Return a line with name and description per sweep."""
    return _lines(sweep_files()) or "  none: there is no sweeps/*.toml here"


def _lines(files: dict[str, Path]) -> str:
    width = max(map(len, files), default=0)
    return "\n".join(f"  {printable(name):<{width}}  {_description(path)}" for name, path in files.items())


def _description(path: Path) -> str:
    """Return the description in a file, or its error, so that one broken file does not hide the others."""
    try:
        return printable(str(read_document(path).get("description") or ""))
    except ConfigError as error:
        return f"({error})"
