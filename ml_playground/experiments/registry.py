"""Preparers: what turns ``[prepare]`` into text, found by name.

A preparer is a function with the decorator :func:`preparer`, in any module below ``ml_playground.experiments`` or in
a module that another package names under the entry point group ``ml_playground.experiments``::

    [project.entry-points."ml_playground.experiments"]
    my_corpus = "my_package.my_corpus"
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import ml_playground.experiments
from ml_playground.errors import UserError
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextSource

ENTRY_POINTS = "ml_playground.experiments"
Preparer = Callable[[PrepareConfig], TextSource]

_preparers: dict[str, Preparer] = {}


def preparer(name: str) -> Callable[[Preparer], Preparer]:
    """Register a function as the preparer of that name.

    Raises:
        ValueError: another function has the name.
    """

    def register(function: Preparer) -> Preparer:
        if _preparers.setdefault(name, function) is not function:
            raise ValueError(f"preparer '{name}' is registered twice: {_preparers[name]} and {function}")
        return function

    return register


def find_preparer(name: str) -> Preparer:
    """The preparer of that name.

    Raises:
        UserError: there is none.
    """
    broken = _discover()
    if name not in _preparers:
        if broken:
            raise UserError(f"prepare.preparer: no preparer is named '{name}', and {'; '.join(broken)}")
        close = difflib.get_close_matches(name, _preparers, n=1)
        mend = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(sorted(_preparers))}"
        raise UserError(f"prepare.preparer: no preparer is named '{name}'; {mend}")
    return _preparers[name]


def default_folder(name: str) -> Path:
    """Where an experiment's own text is looked for: in a checkout beside its preparer, else below ``data``."""
    home = Path("ml_playground/experiments") / name
    return home / "datasets" if home.is_dir() else Path("data") / name


def _discover() -> list[str]:
    """Import all preparers; what is wrong with those of other packages, which must not stop the rest."""
    package = ml_playground.experiments
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    broken: list[str] = []
    for entry_point in entry_points(group=ENTRY_POINTS):
        try:
            entry_point.load()
        except Exception as error:  # noqa: BLE001  # of somebody else's module, which can raise anything
            broken.append(f"{entry_point.value} cannot be imported ({type(error).__name__}: {error})")
    return broken
