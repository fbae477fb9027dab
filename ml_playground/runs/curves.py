"""Curves of a run from its ``metrics.jsonl``."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_playground.runs.manifest import RunManifest
from ml_playground.runs.metrics import Entry, read_metrics

Axis = Literal["step", "tokens", "seconds", "flops"]
AXES: tuple[Axis, ...] = ("step", "tokens", "seconds", "flops")


@dataclass(frozen=True)
class Curve:
    """Values of one metric, with what the run had taken at each of them."""

    values: Sequence[float]
    places: dict[Axis, Sequence[float]]
    """Position of each value on each axis that is known, rising."""

    def last(self, axis: Axis) -> float | None:
        """Return the largest position on an axis; None if it is unknown."""
        places = self.places.get(axis)
        return places[-1] if places else None

    def at(self, axis: Axis, place: float) -> float | None:
        """Return the value at a place, interpolated between its neighbors; None outside of the curve."""
        places = self.places.get(axis)
        if not places or not places[0] <= place <= places[-1]:
            return None
        index = bisect.bisect_left(places, place)
        if places[index] == place:
            return self.values[index]
        before, after = places[index - 1], places[index]
        share = (place - before) / (after - before)
        return (1 - share) * self.values[index - 1] + share * self.values[index]


@dataclass(frozen=True)
class Curves:
    """What a run logged."""

    val: Curve
    train: Curve
    samples: list[tuple[int, str]]
    """Step and text of the samples at evaluations."""


def read_curves(folder: Path, manifest: RunManifest) -> Curves:
    """Read the curves of a run; without entries, or with a damaged file, they are empty.

    Runs of earlier versions did not log tokens, which follow from the mean per step, nor seconds.
    """
    try:
        entries = read_metrics(folder / "metrics.jsonl")
    except OSError:
        entries = []
    samples = [(_step(entry), text) for entry in entries if isinstance(text := entry.get("sample"), str)]
    return Curves(_curve(entries, "val/loss", manifest), _curve(entries, "train/loss", manifest), samples)


def _curve(entries: list[Entry], tag: str, manifest: RunManifest) -> Curve:
    kept: list[Entry] = []
    for entry in entries:
        if _number(entry.get(tag)) is not None and (not kept or _step(entry) > _step(kept[-1])):
            kept.append(entry)
    places: dict[Axis, Sequence[float]] = {"step": [_step(entry) for entry in kept]}
    tokens = [_number(entry.get("train/tokens")) for entry in kept]
    if None in tokens and manifest.step:
        tokens = [manifest.tokens / manifest.step * _step(entry) for entry in kept]
    seconds = [_number(entry.get("train/seconds")) for entry in kept]
    for axis, column in (("tokens", tokens), ("seconds", seconds)):
        known = [value for value in column if value is not None]
        if len(known) == len(kept) and known == sorted(known):
            places[axis] = known  # type: ignore[index]  # both are axes
    if manifest.flops and manifest.tokens and "tokens" in places:
        places["flops"] = [manifest.flops / manifest.tokens * value for value in places["tokens"]]
    return Curve([value for entry in kept if (value := _number(entry.get(tag))) is not None], places)


def _step(entry: Entry) -> int:
    step = entry["step"]
    assert isinstance(step, int), "read_metrics() checks it"
    return step


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer of hundreds of digits
        return None


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """Draw values between two bounds with blocks of eight heights; a missing one is a space."""
    blocks = "▁▂▃▄▅▆▇█"
    span = high - low
    return "".join(
        " " if value is None else blocks[min(7, max(0, int(8 * (value - low) / span)))] if span > 0 else blocks[0]
        for value in values
    )
