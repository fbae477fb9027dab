"""The search space: choices and ranges in place of an experiment's values."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast, get_origin

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ml_playground.composition.checks import (
    check_table,
    show_value,
    type_problem,
    value_problem,
)
from ml_playground.composition.documents import Document
from ml_playground.composition.schema import Schema, plain_type
from ml_playground.ranges import range_problem

Value = str | int | float | bool
Params = dict[str, Value]
"""One point of the space, by dotted key."""

_EXAMPLE = "write below [space], for example, train.data.batch_size = [8, 16]"
_MISSING = "???"
"""OmegaConf's marker for a missing value."""
_MAX_CHOICES = 1_000
_MAX_STEPS = 1_000_000
_MAX_INTEGER = 2**53
"""The study stores numbers as doubles, which represent integers exactly only up to this value."""
_RANGE_KEYS = {"low", "high", "step", "log"}
_GIVEN = {
    "train.runtime.out_dir": "every trial has its own folder",
    "sample.runtime.out_dir": "every trial has its own folder",
    "train.runtime.max_iters": "it follows from the budget; set tokens at the top",
    "train.runtime.eval_interval": "it follows from eval_tokens at the top",
    "train.runtime.eval_iters": "all trials are scored on the same text",
    "train.runtime.eval_batch_size": "all trials are scored on the same text",
    "train.runtime.eval_block_size": "all trials are scored with the same context; set eval_block_size at the top",
    "train.runtime.ckpt_stable": "it follows from extend at the top",
    "train.runtime.eval_only": "a trial trains",
    "description": "it changes nothing",
}
"""Settings that the sweep itself determines, which therefore cannot be searched."""


@dataclass(frozen=True)
class Choices:
    """A list of choices."""

    values: list[Value]

    @property
    def count(self) -> int:
        return len(self.values)

    def contains(self, value: object) -> bool:
        return any(type(value) is type(choice) and value == choice for choice in self.values)

    @property
    def distribution(self) -> BaseDistribution:
        return CategoricalDistribution(self.values)


@dataclass(frozen=True)
class Range:
    """A range of numbers, including both bounds."""

    low: float
    high: float
    step: float | None = None
    log: bool = False

    @property
    def distribution(self) -> BaseDistribution:
        if isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, (int, type(None))):
            return IntDistribution(self.low, self.high, log=self.log, step=self.step or 1)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    @property
    def count(self) -> int:
        """Number of values with a step; 2, for both bounds, without one."""
        return 2 if self.step is None else _steps(self.low, self.high, self.step) + 1

    def contains(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not self.low <= value <= self.high:
            return False
        return self.step is None or (Fraction(str(value)) - Fraction(str(self.low))) % Fraction(str(self.step)) == 0

    @property
    def ends(self) -> list[Value]:
        """The lower and upper bounds."""
        return [self.low, self.high]

    @property
    def values(self) -> list[Value]:
        """All values if there is a step, otherwise only both bounds."""
        if self.step is None:
            return self.ends
        low, step, kind = Fraction(str(self.low)), Fraction(str(self.step)), type(self.low)
        return [kind(low + index * step) for index in range(self.count)]


Leaf = Choices | Range


@dataclass(frozen=True)
class Space:
    """Search space: leaves by dotted key, in the order of the file."""

    leaves: dict[str, Leaf]

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The leaves as Optuna distributions."""
        return {key: leaf.distribution for key, leaf in self.leaves.items()}

    @property
    def is_countable(self) -> bool:
        """Whether the number of points is finite."""
        return all(isinstance(leaf, Choices) or leaf.step is not None for leaf in self.leaves.values())

    @property
    def count(self) -> int:
        """Number of points of a countable space, whether valid or not."""
        return math.prod(leaf.count for leaf in self.leaves.values())

    def contains(self, params: Mapping[str, object]) -> bool:
        """Return whether each leaf contains its value."""
        return all(leaf.contains(params.get(key)) for key, leaf in self.leaves.items())

    def points(self) -> Iterator[Params]:
        """Iterate over all points of a countable space; the last key varies fastest."""
        for values in itertools.product(*(leaf.values for leaf in self.leaves.values())):
            yield dict(zip(self.leaves, values, strict=True))


def read_space(document: Document, schema: Schema) -> Space:
    """Read the ``[space]`` table of a sweep file.

    Args:
        schema: Schema of the experiment.

    Raises:
        ConfigError: If a key is unknown or determined by the sweep itself, or a leaf is invalid.
    """
    table = document.table.get("space")
    if not isinstance(table, dict) or not table:
        raise document.error("space", f"is empty; {_EXAMPLE}")
    table = cast("dict[str, object]", table)
    check_table(document, table, schema, prefix="space.", home="space.", leaf_problem=_leaf_problem)
    types = schema.types()
    leaves = {key: _leaf(value, types[key]) for key, value in _entries(table, types)}
    for key in leaves:
        if key in _GIVEN:
            raise document.error(f"space.{key}", f"cannot be searched: {_GIVEN[key]}")
    if not leaves:
        raise document.error("space", f"is empty; {_EXAMPLE}")
    return Space(leaves)


def _entries(table: dict[str, object], types: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Iterate over the entries at positions where the schema has values."""
    for name, value in table.items():
        if dataclasses.is_dataclass(types[f"{prefix}{name}"]):
            yield from _entries(cast("dict[str, object]", value), types, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _leaf(value: object, kind: object) -> Leaf:
    if isinstance(value, list):
        choices = cast("list[Value]", value)
        return Choices([float(one) for one in choices] if kind is float else choices)
    table = cast("dict[str, float]", value)
    # If the schema has a float, 1 in TOML means 1.0; Optuna distinguishes the two.
    low, high, step = (
        float(number) if kind is float and number is not None else number
        for number in (table["low"], table["high"], table.get("step"))
    )
    assert low is not None
    assert high is not None
    return Range(low, high, step, log=table.get("log") is True)


def _leaf_problem(value: object, hint: object, field: dataclasses.Field[object]) -> str | None:
    if get_origin(plain_type(hint)) is list:
        return "is a list, and lists cannot be searched; set it in the experiment, and write one experiment for each"
    if isinstance(value, list):
        return _choices_problem(cast("list[object]", value), hint, field)
    if isinstance(value, dict):
        return _range_problem(cast("dict[str, object]", value), hint, field)
    return f"must be a list of choices, or {{low = ..., high = ...}}, not {show_value(value)}"


def _choices_problem(values: list[object], hint: object, field: dataclasses.Field[object]) -> str | None:
    if not values:
        return "has no choices; list some, or remove the key"
    if len(values) > _MAX_CHOICES:
        return f"has {len(values):,} choices, more than {_MAX_CHOICES:,}; list fewer, or write a range"
    for value in values:
        if problem := value_problem(value, hint, field):
            return problem
        if value == _MISSING:
            return f'"{_MISSING}" cannot be searched; it stands for a value that is missing'
    if len(set(values)) < len(values):
        return "has a choice twice; remove one"
    return None


def _range_problem(table: dict[str, object], hint: object, field: dataclasses.Field[object]) -> str | None:
    kind = plain_type(hint)
    if kind is not int and kind is not float:
        return "is not a number and has no range; list the choices"
    if unknown := set(table) - _RANGE_KEYS:
        return f"'{min(unknown)}' is unknown; a range has low, high, step and log"
    if missing := {"low", "high"} - set(table):
        return f"'{min(missing)}' is missing; a range has low and high, and can have step and log"
    if not isinstance(table.get("log", False), bool):
        return f"log must be true or false, not {show_value(table['log'])}"
    for name in ("low", "high", "step"):
        if name in table and (problem := type_problem(table[name], kind)):
            return f"{name} {problem}"
    for name in ("low", "high"):
        if problem := range_problem(field, cast("float", table[name])):
            return f"{name} = {problem}"
        if kind is int and abs(cast("int", table[name])) > _MAX_INTEGER:
            return f"{name} = {table[name]} is too large to search; use one up to 2**53"
    return _bounds_problem(cast("dict[str, float]", table))


def _bounds_problem(table: dict[str, float]) -> str | None:
    low, high, step = table["low"], table["high"], table.get("step")
    if low >= high:
        return f"low = {low} must be below high = {high}"
    if table.get("log") and low <= 0:
        return f"log needs a low above 0, not {low}"
    if step is None:
        return None
    if table.get("log"):
        return "log and step exclude each other; remove one"
    if not 0 < step < math.inf:
        return f"step = {step} must be above 0"
    if (count := _steps(low, high, step)) > _MAX_STEPS:
        return f"step = {step} makes more than {_MAX_STEPS:,} steps; use a larger one, or none"
    if Fraction(str(low)) + count * Fraction(str(step)) != Fraction(str(high)):
        return f"step = {step} does not lead from low = {low} to high = {high}; change one"
    return None


def _steps(low: float, high: float, step: float) -> int:
    """Return how often a step fits between two bounds, computed exactly from their decimal notation."""
    low_, high_, step_ = (Fraction(str(number)) for number in (low, high, step))
    return int((high_ - low_) / step_)
