"""Checks of ``confirm`` and ``extend`` in a sweep file."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ml_playground.composition.documents import Document
from ml_playground.composition.load import Composition
from ml_playground.config import ExperimentConfig
from ml_playground.ranges import SettingError
from ml_playground.sweeping.budget import Budget
from ml_playground.sweeping.config import SweepConfig
from ml_playground.sweeping.leaves import Choices
from ml_playground.sweeping.space import Space
from ml_playground.training.config import Decay
from ml_playground.training.schedule import stable_steps

_CONFIRM = {"top": (1, 100), "seeds": (2, 100)}
_EXTEND = {"top": (1, 100), "factor": (2, 1000)}
_EXAMPLES = {"confirm": "confirm = { top = 3, seeds = 3 }", "extend": "extend = { top = 1, factor = 4 }"}
_SEED, _DECAY = "train.runtime.seed", "train.schedule.decay"
_STABLE = {Decay.wsd.name, Decay.constant.name}
_LOSSES = {"val_loss", "train/loss"}


def check_confirmation(document: Document, config: SweepConfig, space: Space) -> None:
    """Check whether the sweep can be confirmed as its file says.

    Raises:
        ConfigError: If it cannot.
    """
    if not _is_set(document, "confirm", config.confirm, _CONFIRM, config):
        return
    if _SEED in space.leaves:
        raise document.error("confirm", f"trains with other seeds, but {_SEED} is searched; remove one of them")


def check_extension(document: Document, config: SweepConfig, space: Space, base: ExperimentConfig) -> None:
    """Check whether trials can be extended as the sweep file says.

    Raises:
        ConfigError: If they cannot.
    """
    if not _is_set(document, "extend", config.extend, _EXTEND, config):
        return
    if other := set(config.objective) - _LOSSES:
        raise document.error("extend", f"more tokens do not improve {min(other)}; remove extend")
    leaf = space.leaves.get(_DECAY)
    decays = set(cast("list[str]", leaf.values)) if isinstance(leaf, Choices) else set[str]()
    if config.baseline or leaf is None or _DECAY in space.conditions:
        decays.add(base.train.schedule.decay.name)
    if unable := decays - _STABLE:
        raise document.error(
            "extend",
            f"a trial with {_DECAY} = \"{min(unable)}\" cannot be extended, because its learning rate depends on the"
            " length of the run from the start; use \"wsd\" or \"constant\"",
        )  # fmt: skip


def check_stable_phase(document: Document, composition: Composition, budget: Budget) -> None:
    """Check whether a trial has updates before its decay, which an extension need not repeat.

    Raises:
        ConfigError: If it has none.
    """
    if not budget.extended:
        return
    try:
        train = budget.settings(composition, {}, Path()).train
    except SettingError:  # no trial has the experiment's own values
        return
    if not stable_steps(train.schedule, train.runtime.max_iters):
        raise document.error(
            "extend",
            f"a trial of {train.runtime.max_iters:,} steps has none before its decay (train.schedule.decay_fraction ="
            f" {train.schedule.decay_fraction}); raise tokens, or lower decay_fraction in the experiment",
        )


def _is_set(
    document: Document, key: str, numbers: dict[str, int], bounds: dict[str, tuple[int, int]], config: SweepConfig
) -> bool:
    """Return whether the file has the table, after a check of its numbers."""
    if document.get(key) is None:
        return False
    if unknown := set(numbers) - set(bounds):
        raise document.error(key, f"'{min(unknown)}' is unknown; write, for example, {_EXAMPLES[key]}")
    if missing := set(bounds) - set(numbers):
        raise document.error(key, f"'{min(missing)}' is missing; write, for example, {_EXAMPLES[key]}")
    for name, (low, high) in bounds.items():
        if not low <= numbers[name] <= high:
            raise document.error(key, f"{name} = {numbers[name]} must be from {low} to {high}")
    if len(config.objective) > 1:
        raise document.error(key, f"two objectives have no single best trial to {key}; remove one, or {key}")
    if config.n_trials is not None and numbers["top"] > config.n_trials:
        raise document.error(key, f"top = {numbers['top']} is more than n_trials = {config.n_trials}; lower it")
    return True
