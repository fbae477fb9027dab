"""Named registries that other packages can extend: preparers, model families, engines, verbs."""

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
    """Objects registered by the modules directly in a package, or by modules that entry points name.

    Another package adds its own with an entry point of the group, whose value is the name of a module to import::

        [project.entry-points."ml_playground.experiments"]
        my_corpus = "my_package.my_corpus"
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        """Create a registry.

        Args:
            kind: What is registered, for messages, such as ``preparer``.
            package: Full name of the package whose modules register the built-in objects.
            group: Name of the entry point group.
        """
        self._kind = kind
        self._package = package
        self._group = group
        self._found: dict[str, T] = {}
        self._broken: list[str] = []

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers an object under a name.

        Raises:
            ValueError: another object has the name.
        """

        def keep(thing: T) -> T:
            if self._found.setdefault(name, thing) is not thing:
                raise ValueError(f"{self._kind} '{name}' is registered twice: {self._found[name]} and {thing}")
            return thing

        return keep

    def get(self, name: str) -> T:
        """Return the object registered under a name.

        Raises:
            UserError: there is none; the message suggests the closest name, or lists all.
        """
        if name not in self._found:
            self._import_namesake(name)
        if name not in self._found:
            self._discover()
        if name not in self._found:
            raise UserError(f"no {self._kind} is named '{name}'{self._advice(name)}")
        return self._found[name]

    def all(self) -> dict[str, T]:
        """Return all objects by name, sorted by name."""
        self._discover()
        return dict(sorted(self._found.items()))

    def _advice(self, name: str) -> str:
        if self._broken:
            return f", and {'; '.join(self._broken)}"
        close = difflib.get_close_matches(name, self._found, n=1)
        return f"; did you mean '{close[0]}'?" if close else f"; there are: {', '.join(sorted(self._found))}"

    def _import_namesake(self, name: str) -> None:
        """Import the module of that name if there is one, to avoid importing all the others."""
        if name.isidentifier() and importlib.util.find_spec(f"{self._package}.{name}"):
            importlib.import_module(f"{self._package}.{name}")

    def _discover(self) -> None:
        """Import all modules; a failing module of another package must not stop the rest."""
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__, f"{self._package}."):
            importlib.import_module(module.name)
        self._broken = []
        for entry_point in entry_points(group=self._group):
            try:
                entry_point.load()
            except Exception as error:  # noqa: BLE001  # another package's module can raise anything
                self._broken.append(f"{entry_point.value} cannot be imported ({type(error).__name__}: {error})")
