"""Scores of trials, computed from the logged metrics."""

from __future__ import annotations

import statistics
from pathlib import Path

from ml_playground.runs.metrics import read_metrics
from ml_playground.sweeping.sweep import VAL_LOSS

_LAST = 10


def score(folder: Path, metric: str) -> float:
    """Return the lowest ``val_loss`` of a run or, for robustness to spikes, the median of a metric's last ten values.

    Infinite if nothing was logged.
    """
    tag = "val/loss" if metric == VAL_LOSS else metric
    logged = (entry.get(tag) for entry in read_metrics(folder / "metrics.jsonl"))
    values = [value for value in logged if isinstance(value, (int, float))]
    if not values:
        return float("inf")
    return min(values) if metric == VAL_LOSS else statistics.median(values[-_LAST:])
