"""The search space: choices and ranges in place of an experiment's values."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast

import optuna
from optuna.distributions import BaseDistribution

from ml_playground.composition.checks import check_table
from ml_playground.composition.documents import Document
from ml_playground.composition.schema import Schema
from ml_playground.sweeping.conditions import Condition, dependent_order, read_conditions, required
from ml_playground.sweeping.leaves import Choices, Leaf, Params, Value, leaf_problem, read_leaf

_EXAMPLE = "write below [space], for example, train.data.batch_size = [8, 16]"
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
class Space:
    """Search space: leaves by dotted key, each after those that its condition names."""

    leaves: dict[str, Leaf]
    conditions: Mapping[str, Condition] = field(default_factory=dict[str, Condition])
    """Of the keys that only apply with certain choices of others."""

    def applies(self, key: str, params: Mapping[str, object]) -> bool:
        """Return whether a key has a value in a point that has these values of the keys before it."""
        condition = self.conditions.get(key, {})
        return all(other in params and choices.contains(params[other]) for other, choices in condition.items())

    def distributions(self, params: Mapping[str, object]) -> dict[str, BaseDistribution]:
        """Return the Optuna distributions of the keys of a point."""
        return {key: self.leaves[key].distribution for key in params}

    def suggest(self, trial: optuna.Trial) -> Params:
        """Sample a point."""
        params: Params = {}
        for key, leaf in self.leaves.items():
            if self.applies(key, params):
                params[key] = leaf.suggest(trial, key)
        return params

    def example(self, key: str, value: Value) -> Params:
        """Return a value with values of other keys with which it applies."""
        needed = {other: choices.values[0] for other, choices in required(key, self.conditions).items()}
        return {**needed, key: value}

    @property
    def is_countable(self) -> bool:
        """Whether the number of points is finite."""
        return all(isinstance(leaf, Choices) or leaf.step is not None for leaf in self.leaves.values())

    @cached_property
    def count(self) -> int:
        """Number of points of a countable space, whether valid or not."""
        named = {other for condition in self.conditions.values() for other in condition}
        return self._count(named, {}, list(self.leaves))

    def contains(self, params: Mapping[str, object]) -> bool:
        """Return whether these are a value of each key that applies, and of no other."""
        keys = [key for key in self.leaves if self.applies(key, params)]
        return set(params) == set(keys) and all(self.leaves[key].contains(params[key]) for key in keys)

    def points(self) -> Iterator[Params]:
        """Iterate over all points of a countable space; the last key varies fastest."""
        return self._points({}, list(self.leaves))

    def _points(self, params: Params, keys: Sequence[str]) -> Iterator[Params]:
        if not keys:
            yield params
        elif not self.applies(keys[0], params):
            yield from self._points(params, keys[1:])
        else:
            for value in self.leaves[keys[0]].values:
                yield from self._points({**params, keys[0]: value}, keys[1:])

    def _count(self, named: set[str], params: Params, keys: Sequence[str]) -> int:
        if not self.conditions:
            return math.prod(leaf.count for leaf in self.leaves.values())
        if not keys:
            return 1
        key, left = keys[0], keys[1:]
        if not self.applies(key, params):
            return self._count(named, params, left)
        if key not in named:
            return self.leaves[key].count * self._count(named, params, left)
        # Choices that meet the same conditions have as many points.
        alike: dict[frozenset[str], Value] = {}
        times: Counter[frozenset[str]] = Counter()
        for value in self.leaves[key].values:
            met = frozenset(k for k, c in self.conditions.items() if key in c and c[key].contains(value))
            alike[met] = value
            times[met] += 1
        return sum(times[met] * self._count(named, {**params, key: value}, left) for met, value in alike.items())


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
    check_table(document, table, schema, prefix="space.", home="space.", leaf_problem=leaf_problem)
    types = schema.types()
    entries = dict(_entries(table, types))
    leaves = {key: read_leaf(value, types[key]) for key, value in entries.items()}
    for key in leaves:
        if key in _GIVEN:
            raise document.error(f"space.{key}", f"cannot be searched: {_GIVEN[key]}")
    if not leaves:
        raise document.error("space", f"is empty; {_EXAMPLE}")
    conditions = read_conditions(document, entries, leaves)
    return Space({key: leaves[key] for key in dependent_order(leaves, conditions)}, conditions)


def _entries(table: dict[str, object], types: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Iterate over the entries at positions where the schema has values."""
    for name, value in table.items():
        if dataclasses.is_dataclass(types[f"{prefix}{name}"]):
            yield from _entries(cast("dict[str, object]", value), types, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
