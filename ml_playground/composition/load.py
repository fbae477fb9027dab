"""From the name of an experiment to its typed config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hydra import compose, initialize
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ml_playground.composition.checks import check_document
from ml_playground.composition.directories import Ancestor, defaults_file, lineage
from ml_playground.composition.documents import Document, Table, lookup, read_document
from ml_playground.composition.paths import expand_path
from ml_playground.composition.schema import Schema
from ml_playground.composition.strings import decoded, encode, is_reference, is_unicode, literal, shielded
from ml_playground.composition.toml_source import ROOT, composed, name_files, register
from ml_playground.config import DEFAULT_FAMILY, ExperimentConfig, model_config_class
from ml_playground.errors import ConfigError, UsageError, UserError
from ml_playground.ranges import SettingError

_FAMILY = "train.model.family"


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
    """A composed experiment whose interpolations are not resolved yet."""

    documents: list[Document]
    """The files, in order of decreasing precedence."""
    config: DictConfig
    schema: Schema

    def replace(self, values: Mapping[str, object]) -> Composition:
        """Return the experiment with other values for some dotted keys; interpolations that refer to them follow.

        Strings have the same meaning as in a file, paths are taken literally.
        """
        config, schema = self.config.copy(), self.schema
        if (family := values.get(_FAMILY, config.train.model.family)) != config.train.model.family:
            schema = Schema(model=model_config_class(str(family)))
            _put_model(config, schema)
        paths = schema.paths()
        for key, value in values.items():
            shielded_value = encode(str(value)) if isinstance(value, Path) else _shielded(key, value, paths)
            OmegaConf.update(config, key, shielded_value)
        return Composition(self.documents, config, schema)

    def get(self, key: str) -> object:
        """Return the value at a dotted key."""
        return decoded(OmegaConf.select(self.config, key))

    def resolve(self) -> ExperimentConfig:
        """Return the experiment with all interpolations resolved.

        Raises:
            SettingError: settings contradict each other.
        """
        resolved = decoded(OmegaConf.to_object(self.config))
        assert isinstance(resolved, ExperimentConfig)
        return resolved

    def located(self, error: SettingError) -> ConfigError:
        """Attribute an error to the highest-precedence file that sets one of the keys, else to the experiment's own."""
        for document in self.documents:
            for key in error.keys:
                if document.get(key) is not None:
                    return document.error(key, error.problem)
        return ConfigError(f"{self.documents[0].name}: {error.keys[0]}: {error.problem}")


def compose_experiment(name: str, exp_config: Path | None = None) -> Composition:
    """Compose and check an experiment; see :func:`load_experiment` for the arguments and errors."""
    if not is_unicode(name):
        raise UsageError(f"experiment {name!r}: the name is not Unicode; rename its file")
    ancestor, defaults = lineage(name, exp_config), read_document(defaults_file())
    documents = [*ancestor.documents, defaults]
    schema = _schema(documents)
    schemas = {defaults.path: schema, **_schemas(ancestor)}
    for document in documents:
        check_document(document, schemas[document.path])
    files = name_files(ancestor, defaults, lambda document: _values(document, schema))
    config = _merge_with_schema(_compose(files), schema, name)
    _resolve_interpolations(documents, config)
    _refuse_missing(documents, config, schema)
    return Composition(documents, config, schema)


def _schema(documents: list[Document]) -> Schema:
    """Return the schema for the model family that the highest-precedence file sets.

    Raises:
        ConfigError: there is no such family.
    """
    for document in documents:
        if (family := document.get(_FAMILY)) is not None:
            if not isinstance(family, str) or is_reference(family):
                raise document.error(_FAMILY, "must be the name of a model family, written out")
            try:
                return Schema(model=model_config_class(family))
            except UserError as error:
                raise document.error(_FAMILY, str(error)) from None
    return Schema(model=model_config_class(DEFAULT_FAMILY))


def _schemas(ancestor: Ancestor) -> dict[Path, Schema]:
    """Return the schema of each file, whose model family is its own or inherited."""
    inherited = [_schemas(parent) for parent in ancestor.parents]
    return {
        **{path: schema for schemas in inherited for path, schema in schemas.items()},
        ancestor.document.path: _schema(ancestor.documents),
    }


def _compose(files: dict[str, Table]) -> DictConfig:
    register()
    OmegaConf.register_new_resolver("none", _none, replace=True)
    token = composed.set(files)
    try:
        with initialize(version_base="1.3", config_path=None):
            return compose(ROOT)
    finally:
        composed.reset(token)


def _values(document: Document, schema: Schema) -> Table:
    """Return what a file sets, in a form that is safe for OmegaConf.

    If a file sets another model family than a file it inherits from, only the settings that both have are inherited.

    Raises:
        ConfigError: a path is invalid.
    """
    known, paths = schema.types(), schema.paths()

    def convert(table: Table, prefix: str) -> Table:
        values: Table = {}
        for name, value in table.items():
            key = f"{prefix}{name}"
            if key not in known:
                continue
            if isinstance(value, dict):
                values[name] = convert(cast("Table", value), f"{key}.")
                continue
            try:
                values[name] = _shielded(key, value, paths)
            except ValueError as error:
                raise document.error(key, str(error)) from None
        return values

    return convert(document.values, "")


def _shielded(key: str, value: object, paths: set[str]) -> object:
    """Return a value of a file in a form that is safe for OmegaConf; paths are expanded.

    Raises:
        ValueError: the path is invalid.
    """
    if key not in paths or not isinstance(value, str):
        return shielded(value)
    return expand_path(value) if is_reference(value) else encode(expand_path(literal(value)))


def _none(_: object = None) -> None:
    """Resolver for ``"${none:}"``, which unsets an inherited value, as TOML has no null."""


def _put_model(config: DictConfig, schema: Schema) -> None:
    """Switch a config to the table of another model family; settings that both have are kept."""
    old, new = config.train.model, OmegaConf.structured(schema.model)
    for key in new.keys() & old.keys() - {"family"}:
        new[key] = old._get_node(key)  # keeps interpolations unresolved
    config.train.model = new


def _merge_with_schema(values: DictConfig, schema: Schema, name: str) -> DictConfig:
    base = OmegaConf.structured(ExperimentConfig)
    base.train.model = OmegaConf.structured(schema.model)
    merged = OmegaConf.merge(base, values, {"experiment": encode(name)})
    assert isinstance(merged, DictConfig)
    return merged


def _resolve_interpolations(documents: list[Document], config: DictConfig) -> None:
    # One by one and first, so that the error names the line that is wrong and not one that refers to it.
    for document in documents:
        for key, value in document.leaves():
            if any(map(is_reference, cast("list[object]", value) if isinstance(value, list) else [value])):
                try:
                    OmegaConf.to_container(OmegaConf.create([OmegaConf.select(config, key)]), resolve=True)
                except OmegaConfBaseException as error:
                    raise document.error(key, str(error.msg or error).splitlines()[0]) from None
                except RecursionError:
                    raise document.error(key, "refers to itself") from None


def _refuse_missing(documents: list[Document], config: DictConfig, schema: Schema) -> None:
    values = OmegaConf.to_container(config, resolve=False)
    for key in schema.types():
        if lookup(values, key) == MISSING:
            table, _, field = key.rpartition(".")
            raise ConfigError(f"{documents[0].name}: {key}: missing; add '{field} = ...' to [{table}]")
