"""Things of one kind by name, to which other packages may add: preparers, model families, engines, verbs."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from ml_playground.errors import UserError

T = TypeVar("T")


class Registry(Generic[T]):
    """What modules have registered that are directly below a package, or that an entry point names.

    Another package brings its own with an entry point of the group, which is the name of a module to import::

        [project.entry-points."ml_playground.experiments"]
        my_corpus = "my_package.my_corpus"
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        """Args:
        kind: What they are, for messages, such as ``preparer``.
        package: Full name of the package whose modules register the built-in ones.
        group: Name of the group of entry points.
        """
        self._kind = kind
        self._package = package
        self._group = group
        self._found: dict[str, T] = {}
        self._broken: list[str] = []

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: register what follows under a name.

        Raises:
            ValueError: something else has the name.
        """

        def keep(thing: T) -> T:
            if self._found.setdefault(name, thing) is not thing:
                raise ValueError(f"{self._kind} '{name}' is registered twice: {self._found[name]} and {thing}")
            return thing

        return keep

    def get(self, name: str) -> T:
        """What is registered under a name.

        Raises:
            UserError: nothing is; the message names the nearest ones, or all.
        """
        if name not in self._found:
            self._import_namesake(name)
        if name not in self._found:
            self._discover()
        if name not in self._found:
            raise UserError(f"no {self._kind} is named '{name}'{self._advice(name)}")
        return self._found[name]

    def all(self) -> dict[str, T]:
        """Everything by name, in the order of names."""
        self._discover()
        return dict(sorted(self._found.items()))

    def _advice(self, name: str) -> str:
        if self._broken:
            return f", and {'; '.join(self._broken)}"
        close = difflib.get_close_matches(name, self._found, n=1)
        return f"; did you mean '{close[0]}'?" if close else f"; there are: {', '.join(sorted(self._found))}"

    def _import_namesake(self, name: str) -> None:
        """Import the module of that name where there is one, so that nobody waits for the others."""
        if name.isidentifier() and importlib.util.find_spec(f"{self._package}.{name}"):
            importlib.import_module(f"{self._package}.{name}")

    def _discover(self) -> None:
        """Import all modules; one of another package that fails must not stop the rest."""
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        self._broken = []
        for entry_point in entry_points(group=self._group):
            try:
                entry_point.load()
            except Exception as error:  # noqa: BLE001  # of somebody else's module, which can raise anything
                self._broken.append(f"{entry_point.value} cannot be imported ({type(error).__name__}: {error})")
