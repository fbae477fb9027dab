"""From the name of an experiment to its typed config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hydra import compose, initialize
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ml_playground.composition.checks import PATHS, check_document, schema_keys
from ml_playground.composition.directories import defaults_file, lineage
from ml_playground.composition.documents import Document, Table, lookup, read_document
from ml_playground.composition.paths import expand_path
from ml_playground.composition.strings import decoded, encode, is_reference, is_unicode, literal, shielded
from ml_playground.composition.toml_source import ROOT, composed, name_files, register
from ml_playground.config import ExperimentConfig
from ml_playground.errors import ConfigError, UsageError
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
        """The experiment with other values for some dotted keys; what refers to these follows them.

        A string is meant as a file means it, a path as it is.
        """
        config = self.config.copy()
        for key, value in values.items():
            OmegaConf.update(config, key, encode(str(value)) if isinstance(value, Path) else _shielded(key, value))
        return Composition(self.documents, config)

    def get(self, key: str) -> object:
        """The value at a dotted key."""
        return decoded(OmegaConf.select(self.config, key))

    def resolve(self) -> ExperimentConfig:
        """The experiment as plain values.

        Raises:
            SettingError: they contradict each other.
        """
        resolved = decoded(OmegaConf.to_object(self.config))
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
    if not is_unicode(name):
        raise UsageError(f"experiment {name!r}: the name is not Unicode; rename its file")
    ancestor, defaults = lineage(name, exp_config), read_document(defaults_file())
    documents = [*ancestor.documents, defaults]
    for document in documents:
        check_document(document)
    config = _merge_with_schema(_compose(name_files(ancestor, defaults, _values)), name)
    _resolve_interpolations(documents, config)
    _refuse_missing(documents, config)
    return Composition(documents, config)


def _compose(files: dict[str, Table]) -> DictConfig:
    register()
    OmegaConf.register_new_resolver("none", _none, replace=True)
    token = composed.set(files)
    try:
        with initialize(version_base="1.3", config_path=None):
            return compose(ROOT)
    finally:
        composed.reset(token)


def _values(document: Document) -> Table:
    """What a file sets, as OmegaConf may have it.

    Raises:
        ConfigError: a path cannot be one.
    """

    def convert(table: Table, prefix: str) -> Table:
        values: Table = {}
        for name, value in table.items():
            key = f"{prefix}{name}"
            if isinstance(value, dict):
                values[name] = convert(cast("Table", value), f"{key}.")
                continue
            try:
                values[name] = _shielded(key, value)
            except ValueError as error:
                raise document.error(key, str(error)) from None
        return values

    return convert(document.values, "")


def _shielded(key: str, value: object) -> object:
    """A value of a file as OmegaConf may have it; a path is expanded.

    Raises:
        ValueError: it cannot be a path.
    """
    if key not in PATHS or not isinstance(value, str):
        return shielded(value)
    return expand_path(value) if is_reference(value) else encode(expand_path(literal(value)))


def _none(_: object = None) -> None:
    """``"${none:}"`` in a file: TOML has no null to unset an inherited value with."""


def _merge_with_schema(values: DictConfig, name: str) -> DictConfig:
    merged = OmegaConf.merge(OmegaConf.structured(ExperimentConfig), values, {"experiment": encode(name)})
    assert isinstance(merged, DictConfig)
    return merged


def _resolve_interpolations(documents: list[Document], config: DictConfig) -> None:
    # One by one and first, so that the blame falls on the line that is wrong and not on one that refers to it.
    for document in documents:
        for key, value in document.leaves():
            if any(map(is_reference, cast("list[object]", value) if isinstance(value, list) else [value])):
                try:
                    OmegaConf.to_container(OmegaConf.create([OmegaConf.select(config, key)]), resolve=True)
                except OmegaConfBaseException as error:
                    raise document.error(key, str(error.msg or error).splitlines()[0]) from None
                except RecursionError:
                    raise document.error(key, "refers to itself") from None


def _refuse_missing(documents: list[Document], config: DictConfig) -> None:
    values = OmegaConf.to_container(config, resolve=False)
    for key in schema_keys():
        if lookup(values, key) == MISSING:
            table, _, field = key.rpartition(".")
            raise ConfigError(f"{documents[0].name}: {key}: missing; add '{field} = ...' to [{table}]")
