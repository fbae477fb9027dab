"""Checks before a run resumes from a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import torch

from ml_playground.composition.snapshot import completed, settings
from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.errors import RunFolderError
from ml_playground.models.config import ModelConfig, config_from
from ml_playground.ranges import SettingError
from ml_playground.terminal.console import say
from ml_playground.terminal.table import Table
from ml_playground.training.changed_settings import Rule, best_criterion, changed_settings
from ml_playground.training.checkpoint import LoadedCheckpoint
from ml_playground.training.checkpoint_manifest import BEST, LAST
from ml_playground.training.config import check_train
from ml_playground.training.device import Hardware
from ml_playground.training.workers import WORKERS


def check_resume(
    found: LoadedCheckpoint, config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware
) -> None:
    """Report which settings have changed since a checkpoint, and which value of each is used.

    Raises:
        RunFolderError: If the run was trained on other data, or a setting that must not change has changed.
    """
    for problem in found.rejected:
        say(f"warning: {problem}; using another checkpoint")
    folder = config.train.runtime.out_dir
    now = {**settings(config), WORKERS: hardware.workers}
    start_over = f"set another train.runtime.out_dir, or delete {LAST}.pt and {BEST}.pt, to start over"
    if found.checkpoint["data"] != dataset.meta.fingerprint:
        raise RunFolderError(
            f"{folder}: was trained on other data or another tokenizer; restore the text, or {start_over}"
        )
    saved = {**completed(found.checkpoint["config"], config), WORKERS: saved_workers(found)}
    vocab_size = dataset.meta.vocab_size
    model = config_from(found.checkpoint["model_args"])
    changes = changed_settings(
        {**saved, **_model_settings(model, vocab_size)}, {**now, **_model_settings(config.train.model, vocab_size)}
    )
    for change in changes:
        if change.rule is Rule.refused:
            raise RunFolderError(
                f"{folder}: {change.key} = {change.now}: cannot change during a run, which has"
                f" {change.before}; set it back, or {start_over}"
            )
    _refuse_conflicts(found, config, start_over)
    if changes:
        say("settings that have changed since the checkpoint:")
        table = Table(["setting", "in the checkpoint", "in the file", "used"])
        for change in changes:
            table.add(change.key, _shown(change.before), _shown(change.now), change.rule.value)
        table.say()
    if best_criterion(saved) != best_criterion(now):
        say("the best checkpoint is tracked anew from here, because what decides it has changed")
    if hardware.dtype is torch.float16 and not found.checkpoint["state"]["scaler"]:
        say("the loss scale, which float16 needs, starts at its default: the checkpoint has none")


def saved_workers(found: LoadedCheckpoint) -> int:
    """Return the number of workers that trained until a checkpoint."""
    workers = found.checkpoint["config"].get(WORKERS, 1)
    assert isinstance(workers, int)
    return workers


def _model_settings(model: ModelConfig, vocab_size: int) -> dict[str, object]:
    """Return the settings as resolved by the model: unset ones are derived from other settings."""
    return {f"train.model.{name}": value for name, value in model.args(vocab_size).items()}


def _refuse_conflicts(found: LoadedCheckpoint, config: ExperimentConfig, start_over: str) -> None:
    """Check the effective settings again, with the model of the checkpoint."""
    train = config.train
    try:
        check_train(replace(train, model=config_from(found.checkpoint["model_args"])))
    except SettingError as error:
        raise RunFolderError(
            f"{train.runtime.out_dir}: {error.keys[0]}: {error.problem} in the checkpoint, whose model stays as it is;"
            f" change {error.keys[0]}, or {start_over}"
        ) from None


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)
