"""Conditions of a search space: settings that apply only where other settings have certain values."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import cast

from ml_playground.composition.checks import show_value
from ml_playground.composition.documents import Document
from ml_playground.sweeping.leaves import Choices, Leaf

Condition = Mapping[str, Choices]
"""Choices by the key of another setting: the condition holds if each of these has one of its choices."""
_EXAMPLE = 'such as when.train.optim.optimizer = "muon"'


def read_conditions(
    document: Document, table: Mapping[str, object], leaves: Mapping[str, Leaf]
) -> dict[str, Condition]:
    """Return the conditions of the settings that have one.

    Args:
        document: The sweep file, for messages.
        table: What the file says for each searched key.
        leaves: The values of each searched key.

    Raises:
        ConfigError: If a condition names something else than choices of another searched key, or can never hold.
    """
    conditions = {
        key: _condition(document, key, cast("dict[str, object]", value)["when"], leaves)
        for key, value in table.items()
        if isinstance(value, dict) and "when" in value
    }
    for key in conditions:
        if cycle := _cycle(key, conditions):
            raise document.error(f"space.{key}", f"when: depends on itself: {' -> '.join(cycle)}; remove a condition")
    for key in conditions:
        if never := next((other for other, choices in required(key, conditions).items() if not choices.values), None):
            raise document.error(f"space.{key}", f"when: can never hold, as no choice of {never} meets all conditions")
    return conditions


def required(key: str, conditions: Mapping[str, Condition]) -> dict[str, Choices]:
    """Return the choices of other settings with which this one applies, those that their own conditions need included;
    without any choice if the conditions exclude one another.
    """
    found: dict[str, Choices] = {}
    for other, choices in conditions.get(key, {}).items():
        for name, needed in ((other, choices), *required(other, conditions).items()):
            known = found.get(name, needed)
            found[name] = Choices([value for value in known.values if needed.contains(value)])
    return found


def dependent_order(leaves: Mapping[str, Leaf], conditions: Mapping[str, Condition]) -> list[str]:
    """Return the keys in the order of the file, except that each comes after those that its condition names."""
    order: dict[str, None] = {}

    def add(key: str) -> None:
        for other in conditions.get(key, {}):
            add(other)
        order.setdefault(key)

    for key in leaves:
        add(key)
    return list(order)


def _condition(document: Document, key: str, value: object, leaves: Mapping[str, Leaf]) -> Condition:
    def refuse(problem: str) -> Exception:
        return document.error(f"space.{key}", f"when: {problem}")

    if not isinstance(value, dict) or not value:
        raise refuse(f"must name a choice of another searched setting, {_EXAMPLE}")
    condition: dict[str, Choices] = {}
    for other, wanted in _flat(cast("dict[str, object]", value)):
        leaf = leaves.get(other)
        if leaf is None:
            close = difflib.get_close_matches(other, list(leaves), n=1)
            raise refuse(
                f"{other} is not searched; " + (f"did you mean '{close[0]}'?" if close else "add it to [space]")
            )
        if not isinstance(leaf, Choices):
            raise refuse(f"{other} is a range; a condition names a choice, so list its choices")
        named = cast("list[object]", wanted) if isinstance(wanted, list) else [wanted]
        values = [_as_choice(one, leaf) for one in named]
        for one in values:
            if not leaf.contains(one):
                names = ", ".join(show_value(choice) for choice in leaf.values)
                raise refuse(f"{other} has no choice {show_value(one)}; one of {names}")
        if not values:
            raise refuse(f"{other} names no choice; {_EXAMPLE}")
        condition[other] = Choices(
            [choice for choice in leaf.values if any(_as_choice(v, leaf) == choice for v in values)]
        )
    return condition


def _as_choice(value: object, leaf: Choices) -> object:
    """Return an integer as a float where the choices are floats, as 1 in TOML means 1.0 there."""
    return float(value) if type(value) is int and isinstance(leaf.values[0], float) else value


def _flat(table: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(cast("dict[str, object]", value), f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _cycle(key: str, conditions: Mapping[str, Condition], path: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the path from a key back to itself; empty if there is none."""
    if key in path:
        return (*path[path.index(key) :], key)
    found = (_cycle(other, conditions, (*path, key)) for other in conditions.get(key, {}))
    return next((cycle for cycle in found if cycle), ())
