"""Find experiment files. Imports neither Hydra nor torch: listings must be instant."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from ml_playground.composition.documents import Document, read_document
from ml_playground.errors import ConfigError, UsageError

_PACKAGE = Path(__file__).resolve().parent.parent


def config_directories() -> list[Path]:
    """Return the folders with ``config.toml`` and ``experiment/``: the working directory's first, then the built-in."""
    candidates = [Path.cwd() / "conf", _PACKAGE / "conf", _PACKAGE.parent / "conf"]
    return list(dict.fromkeys(path.resolve() for path in candidates if (path / "experiment").is_dir()))


def experiment_files() -> dict[str, Path]:
    """Map names to files, sorted by name; a file in the working directory overrides a built-in one."""
    found: dict[str, Path] = {}
    for directory in config_directories():
        for path in _toml_files(directory / "experiment"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _toml_files(folder: Path) -> list[Path]:
    """Return the TOML files of a folder, except for broken links and the hidden files of editors and other systems."""
    return sorted(path for path in folder.glob("*.toml") if not path.name.startswith(".") and path.is_file())


def defaults_file() -> Path:
    """Return ``config.toml`` from the first folder that has one.

    Raises:
        ConfigError: there is none.
    """
    for directory in config_directories():
        if (directory / "config.toml").is_file():
            return directory / "config.toml"
    raise ConfigError("conf/config.toml: not found; start in a folder that has conf/, or install the package again")


def sweep_files() -> dict[str, Path]:
    """Map names to files, sorted by name; a file in the working directory overrides a built-in one."""
    found: dict[str, Path] = {}
    for directory in (Path.cwd(), _PACKAGE, _PACKAGE.parent):
        for path in _toml_files(directory / "sweeps"):
            found.setdefault(path.stem, path.resolve())
    return dict(sorted(found.items()))


def find_sweep(name: str) -> Document:
    """Read the file of a sweep.

    Raises:
        UsageError: no sweep has that name.
        ConfigError: the file cannot be read.
    """
    files = sweep_files()
    if name not in files:
        raise UsageError(f"unknown sweep '{name}'; {_known(name, files)}")
    return read_document(files[name])


@dataclass(frozen=True)
class Ancestor:
    """A file of an experiment, and the files it inherits from in order of increasing precedence."""

    document: Document
    parents: list[Ancestor]

    @property
    def documents(self) -> list[Document]:
        """This file and all that it inherits from, in order of decreasing precedence."""
        return [self.document, *(document for parent in reversed(self.parents) for document in parent.documents)]


def lineage(name: str, exp_config: Path | None = None) -> Ancestor:
    """Return the files of an experiment except for the shared defaults, each read once.

    Raises:
        UsageError: no experiment has that name.
        ConfigError: a file cannot be read, or inherits from itself or from an unknown experiment.
    """
    files = experiment_files()
    if exp_config is None and name not in files:
        raise UsageError(f"unknown experiment '{name}'; {_known(name, files)}")
    return _ancestor(read_document(exp_config or files[name]), files, trail=())


def _ancestor(document: Document, files: dict[str, Path], trail: tuple[Path, ...]) -> Ancestor:
    trail = (*trail, document.path.resolve())
    for parent in document.parents:
        if parent not in files:
            raise document.error("defaults", f"unknown experiment '{parent}'; {_known(parent, files)}")
        if files[parent].resolve() in trail:
            raise document.error("defaults", f"'{parent}' inherits itself; remove it")
    return Ancestor(document, [_ancestor(read_document(files[name]), files, trail) for name in document.parents])


def _known(name: str, files: dict[str, Path]) -> str:
    close = difflib.get_close_matches(name, files, n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(files) or 'none'}"
