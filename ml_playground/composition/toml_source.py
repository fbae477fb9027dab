"""Gives Hydra the TOML files of an experiment, which are read already.

Hydra's names have a grammar of their own, so it sees numbers in place of the names that people give: ``experiment/0``
is one file, and says by number which others it inherits.
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
"""What :class:`TomlSource` serves: Hydra's name of a file to its content."""


def name_files(ancestor: Ancestor, defaults: Document, values: Callable[[Document], Table]) -> dict[str, Table]:
    """An experiment's files by Hydra's names; ``ROOT`` is the one to compose.

    Args:
        values: What a file sets, as OmegaConf may have it.
    """
    files: dict[str, Table] = {}

    def add(each: Ancestor) -> str:
        parents: list[object] = [add(parent) for parent in each.parents]
        number = str(len(files))
        # An experiment is stronger than what it inherits; Hydra's order is from weak to strong.
        files[f"experiment/{number}"] = {"defaults": [*parents, "_self_"], **values(each.document)}
        return number

    choice = add(ancestor)
    # The shared defaults are weaker than any experiment.
    files[ROOT] = {"defaults": ["_self_", {"experiment": choice}], **values(defaults)}
    return files


class TomlSource(ConfigSource):
    """Config source of the scheme ``toml``."""

    @staticmethod
    def scheme() -> str:
        return "toml"

    def load_config(self, config_path: str) -> ConfigResult:
        config = OmegaConf.create(dict(composed.get()[config_path]))
        # The whole file stands at the root of the config, so nobody has to write package headers.
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
    """Puts the files on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("ml_playground", "toml://composed")


def register() -> None:
    """Make Hydra know both; it is harmless to do so again."""
    for plugin in (TomlSource, TomlSearchPath):
        Plugins.instance().register(plugin)
