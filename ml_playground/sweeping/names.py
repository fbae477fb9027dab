"""Formatting of the parameters and scores of trials."""

from __future__ import annotations

from collections import Counter

from optuna.trial import FrozenTrial

from ml_playground.sweeping.leaves import Params
from ml_playground.sweeping.space import Space
from ml_playground.sweeping.sweep import Sweep


def short_names(space: Space) -> dict[str, str]:
    """Map each dotted key to its shortest unique suffix."""
    names: dict[str, str] = {}
    for key in space.leaves:
        parts = key.split(".")
        ends = [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
        taken = Counter(end for end in ends for other in space.leaves if f".{other}".endswith(f".{end}"))
        names[key] = next(end for end in ends if taken[end] == 1)
    return names


def show_params(params: Params, names: dict[str, str]) -> str:
    """Format parameters, such as ``batch_size = 8, learning_rate = 0.0031``."""
    return ", ".join(f"{name} = {show_value(params[key])}" for key, name in names.items() if key in params)


def show_value(value: object) -> str:
    """Format a value; floats get four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def show_scores(trial: FrozenTrial, sweep: Sweep) -> str:
    """Format scores, such as ``val_loss 1.5032``."""
    return ", ".join(f"{name} {value:,.4f}" for name, value in zip(sweep.objectives, trial.values or [], strict=True))
