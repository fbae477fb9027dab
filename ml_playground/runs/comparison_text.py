"""A comparison on the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ml_playground.errors import printable
from ml_playground.runs.comparison import Comparison
from ml_playground.runs.curves import AXES, Axis, sparkline
from ml_playground.runs.groups import Group
from ml_playground.runs.settings import show
from ml_playground.terminal.columns import aligned
from ml_playground.terminal.numbers import duration, loss, short

_CELLS = 24
_MAX_COLUMNS = 4
_TAKEN = ["", "tokens", "tokens/s", "seconds", "parameters", "commit", "hardware"]
_UNITS: dict[Axis, str] = {"tokens": "tokens", "seconds": "seconds", "flops": "FLOPs"}


def print_comparison(comparison: Comparison) -> None:
    """Print tables of settings and results, warnings, and the verdict last."""
    groups = comparison.groups
    if comparison.settings:
        print("settings that differ")
        rows = [["", *(group.name for group in groups)]]
        rows += [[key, *map(_setting, values)] for key, values in comparison.settings.items()]
        _print(rows if len(groups) <= _MAX_COLUMNS else [list(row) for row in zip(*rows, strict=True)])
    else:
        print("no setting that can affect the result differs")
    unit = "bits per byte" if comparison.metric == "bits_per_byte" else "val loss"
    print(f"\n{unit}")
    _print(_results(comparison), right=range(1, 4 + len(comparison.equal)))
    print()
    _print([_TAKEN, *map(_taken, groups)], range(1, 5))
    if comparison.warnings:
        print()
    for warning in comparison.warnings:
        print(printable(f"warning: {warning.text}"))
    print()
    for verdict in comparison.verdicts:
        print(printable(verdict.text))


def equal_label(axis: Axis, place: float) -> str:
    """Describe what values are compared at, such as ``at 1.2 M tokens``."""
    return f"at {duration(place)}" if axis == "seconds" else f"at {short(place)} {_UNITS.get(axis, axis)}"


def _results(comparison: Comparison) -> list[list[str]]:
    axes: list[Axis] = [axis for axis in AXES if axis in _UNITS and axis in comparison.equal]
    heading = ["", "seeds", "best", "final", *(equal_label(axis, comparison.equal[axis]) for axis in axes), "curve"]
    lines = _sparklines(comparison)
    rows = [heading]
    for group, line in zip(comparison.groups, lines, strict=True):
        best = group.best(comparison.metric)
        deviation = f" ± {statistics.stdev(best):.4f}" if len(best) > 1 else ""
        at_equal = [loss(group.at(axis, comparison.equal[axis], comparison.metric)) for axis in axes]
        final = loss(group.final(comparison.metric))
        rows.append([group.name, str(len(best)), loss(statistics.fmean(best)) + deviation, final, *at_equal, line])
    return rows


def _sparklines(comparison: Comparison) -> list[str]:
    """Draw the mean curve of each group over tokens, or steps, all with the same bounds."""
    axis: Axis = "tokens" if "tokens" in comparison.equal else "step"
    end = max((group.last(axis) or 0.0 for group in comparison.groups), default=0.0)
    places = [end * index / (_CELLS - 1) for index in range(_CELLS)]
    curves = [[group.at(axis, place, comparison.metric) for place in places] for group in comparison.groups]
    known = [value for curve in curves for value in curve if value is not None]
    return [sparkline(curve, min(known, default=0.0), max(known, default=0.0)) for curve in curves]


def _taken(group: Group) -> list[str]:
    manifest = group.first.run.manifest
    speed = [value for member in group.members if (value := member.run.manifest.tokens_per_second)]
    return [
        group.name,
        short(manifest.tokens),
        short(statistics.median(speed)) if speed else "",
        f"{statistics.fmean(member.run.manifest.seconds for member in group.members):,.1f}",
        short(manifest.parameters),
        manifest.commit(10),
        manifest.machine,
    ]


def _setting(value: object) -> str:
    return "unset" if value is None else show(value)


def _print(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    for line in aligned(rows, right):
        print(f"  {line}")
