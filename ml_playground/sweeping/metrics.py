"""A trial's score, read from what its run has logged."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from ml_playground.sweeping.sweep import VAL_LOSS

_LAST = 10


def score(folder: Path, metric: str) -> float:
    """The lowest ``val_loss`` of a run; of any other curve the median of its last ten values, so that no spike decides.

    Infinite where nothing was logged.
    """
    lines = (json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    tag = "val/loss" if metric == VAL_LOSS else metric
    values: list[float] = [line[tag] for line in lines if tag in line]
    if not values:
        return float("inf")
    return min(values) if metric == VAL_LOSS else statistics.median(values[-_LAST:])
