"""Checks of ``confirm`` in a sweep file."""

from __future__ import annotations

from ml_playground.composition.documents import Document
from ml_playground.sweeping.config import SweepConfig
from ml_playground.sweeping.space import Space

_EXAMPLE = "write, for example, confirm = { top = 3, seeds = 3 }"
_BOUNDS = {"top": (1, 100), "seeds": (2, 100)}
_SEED = "train.runtime.seed"


def check_confirmation(document: Document, config: SweepConfig, space: Space) -> None:
    """Check whether the sweep can be confirmed as its file says.

    Raises:
        ConfigError: If it cannot.
    """
    if document.get("confirm") is None:
        return
    if unknown := set(config.confirm) - set(_BOUNDS):
        raise document.error("confirm", f"'{min(unknown)}' is unknown; {_EXAMPLE}")
    if missing := set(_BOUNDS) - set(config.confirm):
        raise document.error("confirm", f"'{min(missing)}' is missing; {_EXAMPLE}")
    for name, (low, high) in _BOUNDS.items():
        if not low <= config.confirm[name] <= high:
            raise document.error("confirm", f"{name} = {config.confirm[name]} must be from {low} to {high}")
    if len(config.objective) > 1:
        raise document.error("confirm", "two objectives have no single best trial to confirm; remove one, or confirm")
    if config.n_trials is not None and config.confirm["top"] > config.n_trials:
        raise document.error(
            "confirm", f"top = {config.confirm['top']} is more than n_trials = {config.n_trials}; lower it"
        )
    if _SEED in space.leaves:
        raise document.error("confirm", f"trains with other seeds, but {_SEED} is searched; remove one of them")
