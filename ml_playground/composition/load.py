"""From the name of an experiment to its typed config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ml_playground.composition.checks import check_document, is_interpolation, schema_keys
from ml_playground.composition.directories import lineage
from ml_playground.composition.documents import Document, lookup
from ml_playground.composition.toml_source import EXP_CONFIG, exp_config_file, register
from ml_playground.config import ExperimentConfig
from ml_playground.errors import ConfigError
from ml_playground.ranges import SettingError


def load_experiment(name: str, exp_config: Path | None = None) -> ExperimentConfig:
    """Compose, check and resolve an experiment.

    Args:
        name: The experiment; names the run folder and, unless the file says otherwise, the preparer.
        exp_config: A file to use in place of ``conf/experiment/<name>.toml``.

    Raises:
        UsageError: no experiment has that name.
        ConfigError: a file is wrong; the message is ``file:line: key: problem``.
    """
    composition = compose_experiment(name, exp_config)
    try:
        return composition.resolve()
    except SettingError as error:
        raise composition.located(error) from None


@dataclass(frozen=True)
class Composition:
    """An experiment as its files say, before references between its values are followed."""

    documents: list[Document]
    """The files, the strongest first."""
    config: DictConfig

    def replace(self, values: Mapping[str, object]) -> Composition:
        """The experiment with other values for some dotted keys; what refers to these follows them."""
        config = self.config.copy()
        for key, value in values.items():
            OmegaConf.update(config, key, value)
        return Composition(self.documents, config)

    def get(self, key: str) -> object:
        """The value at a dotted key."""
        return OmegaConf.select(self.config, key)

    def resolve(self) -> ExperimentConfig:
        """The experiment as plain values.

        Raises:
            SettingError: they contradict each other.
        """
        resolved = OmegaConf.to_object(self.config)
        assert isinstance(resolved, ExperimentConfig)
        return resolved

    def located(self, error: SettingError) -> ConfigError:
        """Blame the strongest file that sets one of the keys, else name the experiment's own file."""
        for document in self.documents:
            for key in error.keys:
                if document.get(key) is not None:
                    return document.error(key, error.problem)
        return ConfigError(f"{self.documents[0].name}: {error.keys[0]}: {error.problem}")


def compose_experiment(name: str, exp_config: Path | None = None) -> Composition:
    """Compose and check an experiment; its arguments and errors are those of :func:`load_experiment`."""
    documents = lineage(name, exp_config)
    for document in documents:
        check_document(document)
    config = _merge_with_schema(_compose(name, exp_config), name)
    _resolve_interpolations(documents, config)
    _refuse_missing(documents, config)
    return Composition(documents, config)


def _compose(name: str, exp_config: Path | None) -> DictConfig:
    register()
    OmegaConf.register_new_resolver("none", _none, replace=True)
    token = exp_config_file.set(exp_config)
    try:
        with initialize(version_base="1.3", config_path=None):
            return compose("config", overrides=[f"experiment={EXP_CONFIG if exp_config else name}"])
    finally:
        exp_config_file.reset(token)


def _none(_: object = None) -> None:
    """``"${none:}"`` in a file: TOML has no null to unset an inherited value with."""


def _merge_with_schema(composed: DictConfig, name: str) -> DictConfig:
    merged = OmegaConf.merge(OmegaConf.structured(ExperimentConfig), composed, {"experiment": name})
    assert isinstance(merged, DictConfig)
    return merged


def _resolve_interpolations(documents: list[Document], config: DictConfig) -> None:
    # One by one and first, so that the blame falls on the line that is wrong and not on one that refers to it.
    for document in documents:
        for key, value in document.leaves():
            if is_interpolation(value):
                try:
                    OmegaConf.select(config, key)
                except OmegaConfBaseException as error:
                    raise document.error(key, str(error.msg or error).splitlines()[0]) from None


def _refuse_missing(documents: list[Document], config: DictConfig) -> None:
    values = OmegaConf.to_container(config, resolve=False)
    for key in schema_keys():
        if lookup(values, key) == MISSING:
            table, _, field = key.rpartition(".")
            raise ConfigError(f"{documents[0].name}: {key}: missing; add '{field} = ...' to [{table}]")
