"""Warm start: take over the trials of another sweep, as far as they can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from ml_playground.composition.snapshot import completed
from ml_playground.sweeping.points import LEARNING_RATE, TAKEN_FROM, duplicate_of, point_of
from ml_playground.sweeping.storage import open_storage
from ml_playground.sweeping.sweep import Sweep
from ml_playground.terminal.console import say

_DATABASE = "study.db"
_DONE = "warm start"
"""Study attribute: the sweep whose trials have been taken over, whose folder is no longer needed."""
_FREE = {"space", "sampler", "pruner", "seed"}
"""Settings of a sweep that may differ: they decide which trials there are, not what they score."""


def take_over(sweep: Sweep, study: optuna.Study, guard: Mapping[str, object]) -> None:
    """Add the complete trials of the sweep that ``warm_start`` names to the study; again, it adds none twice.

    Args:
        sweep: The sweep.
        study: Its study.
        guard: Everything that affects the scores of its trials.

    Raises:
        ConfigError: If there is no such sweep, or its trials cannot be compared.
        UserError: If its database cannot be used.
    """
    if sweep.config.warm_start is None or study.user_attrs.get(_DONE) == sweep.config.warm_start:
        return
    folder = Path(sweep.config.warm_start)
    other = _open(sweep, folder)
    recorded = json.loads(other.user_attrs["sweep"])
    before = completed(recorded, sweep.budget.base)
    changed = [key for key in {**recorded, **guard} if key not in _FREE and before.get(key) != guard.get(key)]
    if changed:
        key = changed[0]
        values = "" if key == "the data" else f": {before.get(key)} there, {guard.get(key)} here"
        raise sweep.document.error("warm_start", f"{folder}: its trials cannot be compared, as {key} differs{values}")
    known = {point_of(trial.params) for trial in study.get_trials(deepcopy=False)}
    taken, refused = 0, 0
    for trial in other.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if not trial.params or duplicate_of(trial) is not None or point_of(trial.params) in known:
            continue
        if not sweep.space.contains(trial.params):
            refused += 1
            continue
        study.add_trial(_taken(sweep, trial, folder))
        taken += 1
    study.set_user_attr(_DONE, sweep.config.warm_start)
    outside = f"; {refused} have values outside the space" if refused else ""
    say(f"warm start: {taken} trials of {folder} are taken over{outside}")


def _open(sweep: Sweep, folder: Path) -> optuna.Study:
    path = folder / _DATABASE
    try:
        is_file = path.is_file()
    except OSError:  # a name that is too long
        is_file = False
    if not is_file:
        raise sweep.document.error("warm_start", f"{folder}: has no {_DATABASE}; name the folder of a sweep")
    if folder.resolve() == sweep.folder.resolve():
        raise sweep.document.error("warm_start", f"{folder}: is this sweep's own folder; name that of another sweep")
    storage = open_storage(path)
    names = [name for name in optuna.get_all_study_names(storage) if name == folder.resolve().name]
    if not names:
        raise sweep.document.error("warm_start", f"{folder}: its {_DATABASE} has no study of that name")
    study = optuna.load_study(study_name=names[0], storage=storage, sampler=optuna.samplers.RandomSampler())
    if "sweep" not in study.user_attrs:
        raise sweep.document.error("warm_start", f"{folder}: its {_DATABASE} was not written by a sweep")
    return study


def _taken(sweep: Sweep, trial: FrozenTrial, folder: Path) -> FrozenTrial:
    origin = cast("str | None", trial.user_attrs.get(TAKEN_FROM))
    attributes = {key: value for key, value in trial.user_attrs.items() if key == LEARNING_RATE}
    return create_trial(
        state=trial.state,
        values=trial.values,
        params=trial.params,
        distributions=sweep.space.distributions(trial.params),
        user_attrs={**attributes, TAKEN_FROM: origin or str(folder / "trials" / f"{trial.number:04d}")},
        intermediate_values=trial.intermediate_values,
    )
