"""A validated sweep: everything a worker needs."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Literal

from ml_playground.composition.directories import find_sweep
from ml_playground.composition.documents import Document
from ml_playground.composition.load import Composition, compose_experiment
from ml_playground.composition.tables import read_table
from ml_playground.config import ExperimentConfig
from ml_playground.engines.registry import engines
from ml_playground.errors import ConfigError, UserError
from ml_playground.ranges import SettingError
from ml_playground.runs.listing import OUTPUTS
from ml_playground.sweeping.budget import Budget, plan_budget
from ml_playground.sweeping.checks import check_confirmation, check_extension, check_stable_phase
from ml_playground.sweeping.config import Direction, PrunerKind, SamplerKind, SweepConfig
from ml_playground.sweeping.database import Database, parse_storage
from ml_playground.sweeping.leaves import Params, Range, Value
from ml_playground.sweeping.points import point_of
from ml_playground.sweeping.space import Space, read_space

VAL_LOSS = "val_loss"
_CURVES = ("train/loss", "train/tokens_per_sec", "train/step_time_ms")
_CONDITIONAL = {SamplerKind.tpe, SamplerKind.random, SamplerKind.grid}
"""Samplers for spaces with conditions; others draw the keys that have one at random."""
_MAX_GRID = 10_000
_MAX_TRIED = 100
"""Maximum number of values of a range that are validated in advance."""


@dataclass(frozen=True)
class Sweep:
    """A hyperparameter search on one experiment."""

    name: str
    document: Document
    config: SweepConfig
    space: Space
    composition: Composition
    budget: Budget
    grid: list[Params]
    """All valid points for the grid sampler; empty for other samplers."""
    baseline: Params | None
    """The experiment's own values of the searched settings that it sets; None if they are not a trial."""
    engine_settings: object
    """The engine's own table."""

    @property
    def folder(self) -> Path:
        """Folder of the study and the trials."""
        return OUTPUTS / "sweeps" / f"{self.budget.base.experiment}-{self.name}"

    @property
    def study_name(self) -> str:
        """Study name in the database, as valid Unicode text."""
        return os.fsencode(self.folder.name).decode("utf-8", "backslashreplace")

    @property
    def database(self) -> Database:
        """Database of the study."""
        return parse_storage(self.config.storage) if self.config.storage is not None else self.folder / "study.db"

    @property
    def n_trials(self) -> int:
        """Total number of trials: as many as configured, but no more than the space has points."""
        points = len(self.grid) or (self.space.count if self.space.is_countable else None)
        if points and self.baseline is not None and not self.space.contains(self.baseline):
            points += 1
        wanted = self.config.n_trials or points
        assert wanted is not None
        return wanted if points is None else min(wanted, points)

    @property
    def objectives(self) -> list[str]:
        """One or two metrics to optimize."""
        return list(self.config.objective)

    @property
    def directions(self) -> list[Literal["minimize", "maximize"]]:
        """Directions as Optuna names them, in the order of the objectives."""
        minimize = (direction is Direction.minimize for direction in self.config.objective.values())
        return ["minimize" if less else "maximize" for less in minimize]

    @property
    def pruner(self) -> PrunerKind:
        """Pruner that stops unpromising trials."""
        return self.config.pruner or (PrunerKind.none if len(self.objectives) > 1 else PrunerKind.hyperband)

    @property
    def fresh_seeds(self) -> list[int]:
        """Seeds of the confirmation, which differ from that of the trials; empty without one."""
        first = self.budget.base.train.runtime.seed + 1
        return list(range(first, first + self.config.confirm.get("seeds", 0)))

    def is_baseline(self, params: Params) -> bool:
        """Return whether these are the experiment's own values, in a sweep that starts with them."""
        return self.baseline is not None and point_of(params) == point_of(self.baseline)

    def trial_folder(self, number: int) -> Path:
        """Return the run folder of a trial."""
        return self.folder / "trials" / f"{number:04d}"

    def trial_config(self, number: int, params: Params) -> ExperimentConfig:
        """Return the experiment config of a trial.

        Raises:
            SettingError: If the values contradict each other.
        """
        return self.budget.settings(self.composition, params, self.trial_folder(number))


def load_sweep(name: str, experiment: str, exp_config: Path | None = None) -> Sweep:
    """Read and validate a sweep and its experiment, without writing anything.

    Raises:
        UsageError: If either name is unknown.
        ConfigError: If a file is invalid; the message is ``file:line: key: problem``.
    """
    document = find_sweep(name)
    config, engine_settings = _read(document)
    _check_objective(document, config)
    composition = compose_experiment(experiment, exp_config)
    space = read_space(document, composition.schema)
    _check_sampler(document, config, space)
    _check_storage(document, config)
    check_confirmation(document, config, space)
    try:
        base = composition.resolve()
    except SettingError as error:
        raise composition.located(error) from None
    _check_comparable(document, config, space)
    check_extension(document, config, space, base)
    try:
        budget = plan_budget(base, config, space)
    except SettingError as error:
        raise _blamed(document, error) from None
    check_stable_phase(document, composition, budget)
    _check_values(document, space, composition, budget)
    baseline = _baseline(document, space, composition, budget) if config.baseline else None
    grid = _grid(document, space, composition, budget) if config.sampler is SamplerKind.grid else []
    return Sweep(name, document, config, space, composition, budget, grid, baseline, engine_settings)


def _read(document: Document) -> tuple[SweepConfig, object]:
    """Read the file, and the table of its engine; tables of other engines are checked only."""
    tables = {name: engine.settings for name, engine in engines.all().items() if isinstance(document.get(name), dict)}
    read = {name: read_table(document, settings, key=name) for name, settings in tables.items()}
    rest = {name: value for name, value in document.table.items() if name not in tables}
    config = read_table(replace(document, table=rest), SweepConfig, home="space.")
    try:
        settings = engines.get(config.engine).settings
    except UserError as error:
        raise document.error("engine", str(error)) from None
    return config, read.get(config.engine, settings())


def _check_objective(document: Document, config: SweepConfig) -> None:
    if len(config.objective) > 2:
        raise document.error("objective", f"must name one metric or two, not {len(config.objective)}")
    for metric in config.objective:
        if metric != VAL_LOSS and metric not in _CURVES:
            raise document.error(
                "objective", f"there is no metric '{metric}'; one of {', '.join((VAL_LOSS, *_CURVES))}"
            )
    if config.objective.get(VAL_LOSS) is Direction.maximize:
        raise document.error("objective", "val_loss gets better as it falls; use minimize")
    if len(config.objective) == 2 and config.pruner not in (None, PrunerKind.none):
        raise document.error("pruner", "two objectives cannot be pruned; remove the key, or one objective")


def _check_sampler(document: Document, config: SweepConfig, space: Space) -> None:
    if config.sampler is SamplerKind.grid:
        for key, leaf in space.leaves.items():
            if isinstance(leaf, Range) and leaf.step is None:
                raise document.error(f"space.{key}", "a grid needs a step, or a list of choices")
    elif config.n_trials is None:
        raise document.error("n_trials", "missing; say how many trials there are in all")
    if space.conditions and config.sampler not in _CONDITIONAL:
        raise document.error(
            "sampler",
            f"'{config.sampler.name}' cannot search keys that only apply under a condition, such as"
            f" {next(iter(space.conditions))}; use 'tpe', 'random' or 'grid'",
        )
    ranges = [leaf for leaf in space.leaves.values() if isinstance(leaf, Range)]
    if config.sampler is SamplerKind.cmaes and (len(ranges) < 2 or len(ranges) < len(space.leaves)):
        raise document.error("sampler", "'cmaes' searches two or more ranges, and no choices; use 'tpe'")
    if config.sampler is SamplerKind.cmaes and len(config.objective) == 2:
        raise document.error("sampler", "'cmaes' has one objective; use 'nsga2' or 'tpe'")


def _check_storage(document: Document, config: SweepConfig) -> None:
    if config.storage is not None:
        try:
            parse_storage(config.storage)
        except ValueError as error:
            raise document.error("storage", str(error)) from None


def _check_comparable(document: Document, config: SweepConfig, space: Space) -> None:
    for key in space.leaves:
        if key.startswith("prepare.") and VAL_LOSS in config.objective:
            raise document.error(
                f"space.{key}", "changes the validation text, on which val_loss is compared; remove it"
            )


def _check_values(document: Document, space: Space, composition: Composition, budget: Budget) -> None:
    """Validate each choice and bound, and each step of short ranges, with the experiment's other values.

    Raises:
        ConfigError: If a value contradicts settings that are not searched, so that no trial could use it.
    """
    for key, leaf in space.leaves.items():
        for value in leaf.ends if isinstance(leaf, Range) and leaf.count > _MAX_TRIED else leaf.values:
            try:
                budget.settings(composition, space.example(key, value), Path())
            except SettingError as error:
                if set(error.keys) & set(space.leaves) == {key}:
                    raise document.error(f"space.{key}", f"{value}: {error.problem}") from None


def _grid(document: Document, space: Space, composition: Composition, budget: Budget) -> list[Params]:
    if space.count > _MAX_GRID:
        raise document.error(
            "space", f"a grid of {space.count:,} points, more than {_MAX_GRID:,}; use fewer, or another sampler"
        )
    points: list[Params] = []
    for params in space.points():
        try:
            budget.settings(composition, params, Path())
        except SettingError:
            continue
        points.append(params)
    if not points:
        raise document.error(
            "space", "no combination is valid; see the ranges and conflicts in the experiment's schema"
        )
    return points


def _baseline(document: Document, space: Space, composition: Composition, budget: Budget) -> Params:
    """Return the experiment's own values of the searched settings.

    Raises:
        ConfigError: If the experiment cannot be a trial of this sweep.
    """
    values: Params = {}
    for key in space.leaves:
        if space.applies(key, values) and (value := _plain(composition.get(key))) is not None:
            values[key] = value
    try:
        budget.settings(composition, values, Path())
    except SettingError as error:
        problem = f"the experiment itself cannot be a trial: {error.keys[0]}: {error.problem}; set baseline = false"
        raise document.error("baseline", problem) from None
    return values


def _plain(value: object) -> Value | None:
    if isinstance(value, Enum):
        return value.name
    return value if isinstance(value, (int, float, str, type(None))) else str(value)


def _blamed(document: Document, error: SettingError) -> ConfigError:
    key = next((key for key in error.keys if document.get(key) is not None), error.keys[0])
    return document.error(key, error.problem)
