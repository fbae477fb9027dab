"""Leaves of a search space: choices and ranges in place of an experiment's values."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import cast, get_origin

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from ml_playground.composition.checks import show_value, type_problem, value_problem
from ml_playground.composition.schema import plain_type
from ml_playground.ranges import range_problem

Value = str | int | float | bool
Params = dict[str, Value]
"""One point of the space, by dotted key."""

_MISSING = "???"
"""OmegaConf's marker for a missing value."""
_MAX_CHOICES = 1_000
_MAX_STEPS = 1_000_000
_MAX_INTEGER = 2**53
"""The study stores numbers as doubles, which represent integers exactly only up to this value."""
_RANGE_KEYS, _CHOICE_KEYS = {"low", "high", "step", "log", "when"}, {"choices", "when"}


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

    def suggest(self, trial: optuna.Trial, key: str) -> Value:
        """Sample a value."""
        return cast("Value", trial.suggest_categorical(key, self.values))


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

    def suggest(self, trial: optuna.Trial, key: str) -> Value:
        """Sample a value."""
        distribution = self.distribution
        if isinstance(distribution, IntDistribution):
            return trial.suggest_int(
                key, distribution.low, distribution.high, step=distribution.step, log=distribution.log
            )
        return trial.suggest_float(key, self.low, self.high, step=self.step, log=self.log)

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


def read_leaf(value: object, kind: object) -> Leaf:
    """Return the leaf that a file says, which :func:`leaf_problem` has found to be valid.

    Args:
        value: What the file says.
        kind: Type of the setting.
    """
    if isinstance(value, dict) and "choices" in value:
        value = cast("dict[str, object]", value)["choices"]
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


def leaf_problem(value: object, hint: object, field: dataclasses.Field[object]) -> str | None:
    """Return what is wrong with a leaf for a setting of that type, or None."""
    if get_origin(plain_type(hint)) is list:
        return "is a list, and lists cannot be searched; set it in the experiment, and write one experiment for each"
    if isinstance(value, list):
        return _choices_problem(cast("list[object]", value), hint, field)
    if isinstance(value, dict) and "choices" in value:
        table = cast("dict[str, object]", value)
        if unknown := set(table) - _CHOICE_KEYS:
            return f"'{min(unknown)}' is unknown; beside choices, there can be when"
        if not isinstance(table["choices"], list):
            return f"choices must be a list, not {show_value(table['choices'])}"
        return _choices_problem(cast("list[object]", table["choices"]), hint, field)
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
        return f"'{min(unknown)}' is unknown; a range has low, high, step, log and when"
    if missing := {"low", "high"} - set(table):
        if "when" in table:
            return f"'{min(missing)}' is missing; write low and high, or choices = [...], beside when"
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
