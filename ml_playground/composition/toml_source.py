"""Passes the TOML files of an experiment, which have already been read, to Hydra.

Hydra's config names have their own grammar, so files are numbered instead of using the user's names: ``experiment/0``
is one file, and refers to the files it inherits from by number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from ml_playground.composition.directories import Ancestor
from ml_playground.composition.documents import Document, Table

ROOT = "config"
composed: ContextVar[Mapping[str, Table]] = ContextVar("composed")
"""Files that :class:`TomlSource` provides: Hydra's config name to content."""


def name_files(ancestor: Ancestor, defaults: Document, values: Callable[[Document], Table]) -> dict[str, Table]:
    """Return an experiment's files by Hydra config name; ``ROOT`` is the one to compose.

    Args:
        ancestor: The experiment.
        defaults: The shared defaults.
        values: Returns what a file sets, in a form that is safe for OmegaConf.
    """
    files: dict[str, Table] = {}

    def add(each: Ancestor) -> str:
        parents: list[object] = [add(parent) for parent in each.parents]
        number = str(len(files))
        # An experiment overrides what it inherits; in Hydra's order later entries override earlier ones.
        files[f"experiment/{number}"] = {"defaults": [*parents, "_self_"], **values(each.document)}
        return number

    choice = add(ancestor)
    # Every experiment overrides the shared defaults.
    files[ROOT] = {"defaults": ["_self_", {"experiment": choice}], **values(defaults)}
    return files


class TomlSource(ConfigSource):
    """Config source for the scheme ``toml``."""

    @staticmethod
    def scheme() -> str:
        return "toml"

    def load_config(self, config_path: str) -> ConfigResult:
        config = OmegaConf.create(dict(composed.get()[config_path]))
        # The file is placed at the root of the config, so that no package headers are needed.
        return ConfigResult(self.provider, self.full_path(), config, header={"package": "_global_"})

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path == "experiment"

    def is_config(self, config_path: str) -> bool:
        return config_path in composed.get()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:  # noqa: ARG002  # Hydra's
        return []


class TomlSearchPath(SearchPathPlugin):
    """Adds the files to Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("ml_playground", "toml://composed")


def register() -> None:
    """Register both plugins with Hydra; may be called repeatedly."""
    for plugin in (TomlSource, TomlSearchPath):
        Plugins.instance().register(plugin)
