"""Fields whose values must be in a range, and the error for settings that contradict each other."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import Field, field, fields, is_dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

_TOO_LARGE = 2**63
_COMPARISONS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "ge": (">=", operator.ge),
    "gt": (">", operator.gt),
    "le": ("<=", operator.le),
    "lt": ("<", operator.lt),
}


def bounded(
    default: T, *, ge: float | None = None, gt: float | None = None, le: float | None = None, lt: float | None = None
) -> T:
    """Define a dataclass field whose value must be in the given range."""
    limits = {"ge": ge, "gt": gt, "le": le, "lt": lt}
    return field(default=default, metadata={name: limit for name, limit in limits.items() if limit is not None})


class SettingError(ValueError):
    """A value is out of range, or settings contradict each other.

    ``keys`` are their full names, starting with the one to change.
    """

    def __init__(self, keys: tuple[str, ...], problem: str) -> None:
        super().__init__(problem)
        self.keys = keys
        self.problem = problem


def range_problem(field_: Field[object], value: float) -> str | None:
    """Return what is wrong with a number for a field, or None."""
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return f"an integer of {value.bit_length()} bits is too large; use one below 2**63"
    if not math.isfinite(value):
        return f"{value} is not a number to compute with; use a finite one"
    for name, limit in field_.metadata.items():
        sign, holds = _COMPARISONS[name]
        if not holds(value, limit):
            return f"{value} is out of range; must be {sign} {limit}"
    return None


def check_ranges(table: DataclassInstance, prefix: str = "") -> None:
    """Check every number of a config dataclass, nested tables included.

    Raises:
        SettingError: the first value that is out of range.
    """
    for field_ in fields(table):
        value: object = getattr(table, field_.name)
        key = f"{prefix}{field_.name}"
        if is_dataclass(value) and not isinstance(value, type):
            check_ranges(value, f"{key}.")
        elif isinstance(value, (int, float)) and (problem := range_problem(field_, value)):
            raise SettingError((key,), problem)
