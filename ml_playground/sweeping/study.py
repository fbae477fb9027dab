"""The Optuna study of a sweep, in a persistent database."""

from __future__ import annotations

import json
from pathlib import Path

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from ml_playground.composition.snapshot import completed, settings
from ml_playground.durable import lock
from ml_playground.errors import ConfigError, RunFolderError
from ml_playground.sweeping.samplers import build_pruner
from ml_playground.sweeping.storage import is_unused, open_storage
from ml_playground.sweeping.sweep import Sweep
from ml_playground.sweeping.warm_start import take_over

REASON = "reason"
"""User attribute: why a trial was pruned or failed."""
PRUNED_AT = "pruned at"
"""User attribute: tokens at which the pruner stopped the trial."""
DIVERGED = "diverged"
OUT_OF_MEMORY = "out of memory"
"""Keywords in reasons."""
_GUARD = "sweep"
_FREE = {f"train.runtime.{name}" for name in ("out_dir", "log_interval", "sample_tokens", "seeds", "ckpt_stable")}
"""Settings of the experiment that do not affect trials."""


def create_study(sweep: Sweep, data: str) -> optuna.Study:
    """Create the study, or open it if it is the same search on the same data.

    Args:
        data: Fingerprint of the dataset.

    Raises:
        ConfigError: If the sweep file, the experiment or the data have changed since the study was created.
        RunFolderError: If there are trial folders but no study.
        UserError: If the database cannot be used.
        StudyError: If the database is locked by another program, or failed.
    """
    sweep.folder.mkdir(parents=True, exist_ok=True)
    # If two processes start at once, the second one waits and then finds the study.
    with lock(sweep.folder / ".lock", wait=True):
        if isinstance(sweep.database, Path) and is_unused(sweep.database):
            _refuse_trials(sweep)  # before the file is created
        storage = open_storage(sweep.database)
        if sweep.study_name not in optuna.get_all_study_names(storage):
            _refuse_trials(sweep)
            optuna.create_study(storage=storage, study_name=sweep.study_name, directions=sweep.directions)
        study = open_study(sweep)
        guard = _guard(sweep, data)
        if _GUARD not in study.user_attrs:
            study.set_user_attr(_GUARD, guard)
        _refuse_change(sweep, json.loads(study.user_attrs[_GUARD]), json.loads(guard))
        take_over(sweep, study, json.loads(guard))
    return study


def open_study(sweep: Sweep) -> optuna.Study:
    """Open the existing study. Its sampler is a placeholder; trials are sampled on copies.

    Raises:
        UserError: If the database cannot be used.
        StudyError: If the database is locked by another program, or failed.
    """
    pruner = build_pruner(sweep.pruner, sweep.budget)
    return optuna.load_study(
        study_name=sweep.study_name,
        storage=open_storage(sweep.database, known=True),
        sampler=RandomSampler(),
        pruner=pruner,
    )


def in_memory(study: optuna.Study, *, sampled: bool = False) -> optuna.Study:
    """Return an in-memory copy of a study, so that changes made by an algorithm are discarded.

    Args:
        sampled: Leave out trials that are not of the space, which change the numbers of the others.
    """
    copy = optuna.create_study(
        study_name=study.study_name, directions=study.directions, pruner=study.pruner, sampler=RandomSampler()
    )
    copy.add_trials(trial for trial in study.get_trials(deepcopy=False) if trial.params or not sampled)
    return copy


def find_trial(study: optuna.Study, number: int) -> FrozenTrial:
    """Return a read-only snapshot of a trial."""
    return study.get_trials(deepcopy=False)[number]


def open_trial(study: optuna.Study, number: int) -> Trial:
    """Return a running trial for writing."""
    trial_id = find_trial(study, number)._trial_id  # pyright: ignore[reportPrivateUsage]  # there is no public API
    return Trial(study, trial_id)


def end_trial(study: optuna.Study, number: int, state: TrialState, why: str) -> None:
    """Finish a trial without a score, and record the reason."""
    open_trial(study, number).set_user_attr(REASON, why)
    study.tell(number, state=state)


def reason(trial: FrozenTrial) -> str:
    """Return why a trial has no score; empty if it has one."""
    return "" if trial.state is TrialState.COMPLETE else str(trial.user_attrs.get(REASON, ""))


def _refuse_trials(sweep: Sweep) -> None:
    if any((sweep.folder / "trials").glob("*")):
        raise RunFolderError(f"{sweep.folder}: has trials whose study is gone; bring it back, or move them away")


def _guard(sweep: Sweep, data: str) -> str:
    """Serialize everything that affects the values and scores of trials."""
    config, base, budget = sweep.config, sweep.budget.base, sweep.budget
    return json.dumps(
        {
            "space": sweep.document.table["space"],
            "objective": dict(zip(sweep.objectives, sweep.directions, strict=True)),
            "sampler": config.sampler.name,
            "pruner": sweep.pruner.name,
            "seed": config.seed,
            "tokens": budget.tokens,
            "eval_tokens": budget.eval_tokens,
            "eval_block_size": budget.eval_block_size,
            "lr_scaling": budget.lr_scaling.name,
            "the data": data,
            **{key: value for key, value in settings(base).items() if key not in _FREE},
        }
    )


def _refuse_change(sweep: Sweep, before: dict[str, object], now: dict[str, object]) -> None:
    known = completed(before, sweep.budget.base)
    changed = [key for key in {**before, **now} if known.get(key) != now.get(key)]
    if changed:
        key = changed[0]
        what = "" if key in ("space", "the data") else f", from {before.get(key)} to {now.get(key)}"
        raise ConfigError(
            f"{sweep.document.name}: {key} has changed since {sweep.folder} was created{what};"
            " put it back, or give the sweep another name"
        )
