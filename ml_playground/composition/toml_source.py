"""Teaches Hydra to read TOML.

Hydra's search path takes URLs; ``toml:///folder`` is a folder of TOML files, and ``toml:///file.toml`` one file that
poses as ``experiment/EXP_CONFIG``.
"""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

from ml_playground.composition.directories import config_directories
from ml_playground.composition.documents import Table, read_document

EXP_CONFIG = "exp-config"
exp_config_file: ContextVar[Path | None] = ContextVar("exp_config_file", default=None)


class TomlSource(ConfigSource):
    """Config source of the scheme ``toml``."""

    @staticmethod
    def scheme() -> str:
        return "toml"

    def load_config(self, config_path: str) -> ConfigResult:
        document = read_document(self._file(config_path))
        config = OmegaConf.create({"defaults": _defaults(config_path, document.parents), **document.values})
        # The whole file stands at the root of the config, so nobody has to write package headers.
        return ConfigResult(self.provider, self.full_path(), config, header={"package": "_global_"})

    def available(self) -> bool:
        return Path(self.path).exists()

    def is_group(self, config_path: str) -> bool:
        if Path(self.path).is_file():
            return config_path == "experiment"
        return (Path(self.path) / config_path).is_dir()

    def is_config(self, config_path: str) -> bool:
        if Path(self.path).is_file():
            return config_path == f"experiment/{EXP_CONFIG}"
        return self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if results_filter is ObjectType.GROUP or Path(self.path).is_file():
            return []
        return sorted(path.stem for path in (Path(self.path) / config_path).glob("*.toml"))

    def _file(self, config_path: str) -> Path:
        root = Path(self.path)
        return root if root.is_file() else root / f"{config_path}.toml"


class TomlSearchPath(SearchPathPlugin):
    """Puts the config folders, and the ``--exp-config`` file, on Hydra's search path."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for directory in config_directories():
            search_path.append("ml_playground", f"toml://{directory}")
        if file := exp_config_file.get():
            search_path.append("ml_playground", f"toml://{file.resolve()}")


def register() -> None:
    """Make Hydra know both; it is harmless to do so again."""
    for plugin in (TomlSource, TomlSearchPath):
        Plugins.instance().register(plugin)


def _defaults(config_path: str, parents: list[str]) -> list[str | Table]:
    # An experiment is stronger than what it inherits, and weaker than nothing but its own later lines;
    # the shared defaults are weaker than the experiment. Hydra's order says so, from weak to strong.
    if config_path.startswith("experiment/"):
        return [*parents, "_self_"]
    return ["_self_", {"experiment": "???"}]
