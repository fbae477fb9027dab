"""The verb ``train``: a run folder around the trainer."""

from __future__ import annotations

import contextlib
import math
from dataclasses import replace

import torch
from rich.table import Table

from ml_playground.composition.snapshot import settings, snapshot
from ml_playground.config import ExperimentConfig
from ml_playground.console import console, say
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.durable import write_text
from ml_playground.errors import DivergedError, RunFolderError, Stopped
from ml_playground.models.build import build_model, model_args, parameter_count, with_args
from ml_playground.models.language_model import ModelArgs
from ml_playground.ranges import SettingError
from ml_playground.runs.folder import writing
from ml_playground.runs.manifest import RunManifest, Status, now, says_finished
from ml_playground.runs.prepare import prepare
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import BEST, LAST, Found
from ml_playground.training.config import check_train
from ml_playground.training.device import Hardware, choose_hardware, compile_pays
from ml_playground.training.drift import Rule, drift, yardstick
from ml_playground.training.memory import estimate, refuse_too_large, refuse_too_much
from ml_playground.training.rng import seed_everything
from ml_playground.training.state import Progress
from ml_playground.training.tracking import Session
from ml_playground.training.trainer import Observer, Trainer


def train(config: ExperimentConfig) -> None:
    """Train to the end, going on from the run folder's last checkpoint where there is one.

    Raises:
        DataError: the text cannot be used.
        RunFolderError: the folder is busy, or holds a run on other data.
        CheckpointError: the folder has checkpoints, all of them damaged.
        RunError: the run failed, or its files cannot be written.
        Stopped: a signal came; the state is saved.
    """
    dataset = prepare(config)
    runtime = config.train.runtime
    hardware = choose_hardware(runtime.device, runtime.dtype, runtime.threads)
    if runtime.eval_only:
        _evaluate(config, dataset, hardware)
        return
    with writing(runtime.out_dir):
        train_in_folder(config, dataset, hardware)


def train_in_folder(
    config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware, observer: Observer = lambda _: True
) -> bool:
    """The same, in a run folder that the caller is writing in; whether the observer let the run come to its end.

    Raises:
        PlaygroundError: as :func:`train` does.
        Stopped: a signal came; the state is saved.
    """
    runtime = config.train.runtime
    found = checkpoints.find_last(runtime.out_dir)
    run = _Run(config, dataset, hardware, found)
    if run.trainer.done and says_finished(runtime.out_dir):
        say(
            f"{runtime.out_dir}: finished at step {run.trainer.progress.step:,}; to train again, delete"
            f" {LAST}.pt and {BEST}.pt, or set another train.runtime.out_dir"
        )
    else:
        return run.fit(observer)  # where only the end of a finished run was lost, it is written now
    return True


def _evaluate(config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware) -> None:
    run = _Run(config, dataset, hardware, checkpoints.find_last(config.train.runtime.out_dir))
    val_loss, step = run.trainer.evaluate(), run.trainer.progress.step
    say(f"val loss {val_loss:.4f} at step {step:,}; nothing is written, for train.runtime.eval_only is set")


class _Run:
    """One session of a run: builds the trainer, and keeps ``run.json`` true while it trains."""

    def __init__(
        self, config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware, found: Found | None
    ) -> None:
        self._config = config
        self._folder = config.train.runtime.out_dir
        self._settings = settings(config)
        seed_everything(config.train.runtime.seed)
        args = model_args(config.train.model, dataset.meta.vocab_size)
        if found:
            args = found.checkpoint["model_args"]
            self._report(found, args, dataset, hardware)
        refuse_too_large(parameter_count(args), config.train, hardware)
        model = build_model(args)
        self._model = model
        self._parameters = sum(parameter.numel() for parameter in model.parameters())
        hardware = self._hardware = replace(hardware, compiled=self._compile_pays(hardware))
        session = Session(str(self._folder), self._settings)
        self.trainer = Trainer(config.train, model, dataset, hardware, session, self._on_save)
        if found:
            self.trainer.resume(found)
            if not self.trainer.done:
                say(f"resuming: {found.path} at step {found.step:,}")
        elif not config.train.runtime.eval_only:
            checkpoints.forget(self._folder)
        self._manifest = RunManifest(
            config.experiment,
            "running",
            config.train.runtime.max_iters,
            dataset.meta.fingerprint,
            str(hardware),
            resumed_from=found.step if found else None,
        )

    def fit(self, observer: Observer) -> bool:
        """Train; whether the run came to its end."""
        data = self._config.train.data
        memory = estimate(self._model, self._config.train, self._hardware)
        refuse_too_much(memory, self._config.train, self._hardware)
        if self._hardware.compiled and not self.trainer.compile():
            self._hardware = replace(self._hardware, compiled=False)
            self._manifest.hardware = str(self._hardware)
        say(
            f"training: {self._parameters / 1e6:.2f} M parameters, {self._config.train.runtime.max_iters:,} steps of"
            f" {data.grad_accum_steps} x {data.batch_size} x {data.block_size} tokens, on {self._hardware}"
        )
        say(f"memory: {memory}")
        say(f"run folder: {self._folder}  (curves: tensorboard --logdir {self._folder.parent})")
        write_text(self._folder / "config.toml", snapshot(self._config))
        self._on_save(self.trainer.progress)
        try:
            outcome = self.trainer.fit(observer)
        except Exception as error:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                self._end("failed", f"{type(error).__name__}: {error}")
            raise
        progress = outcome.progress
        if not (outcome.signum or outcome.pruned) and not math.isfinite(progress.val_loss or 0.0):
            best = "no checkpoint is good" if progress.best is None else f"the best is of step {progress.best_step:,}"
            problem = f"the validation loss is not finite at step {progress.step:,}; {best}"
            self._end("failed", problem)
            raise DivergedError(f"{self._folder}: {problem}; try a lower train.optim.learning_rate in another out_dir")
        self._end("interrupted" if outcome.signum else "pruned" if outcome.pruned else "finished")
        if outcome.signum:
            raise Stopped(outcome.signum, f"stopped at step {progress.step:,}, saved; the same command goes on")
        if progress.best is not None:
            metric, verb = self._config.train.runtime.ckpt_metric.name.replace("_", " "), self._manifest.status
            say(f"{verb}: step {progress.step:,}, best {metric} {progress.best:.4f} at step {progress.best_step:,}")
        return not outcome.pruned

    def _compile_pays(self, hardware: Hardware) -> bool:
        data, runtime = self._config.train.data, self._config.train.runtime
        tokens = runtime.max_iters * data.grad_accum_steps * data.batch_size * data.block_size
        # Forward and backward cost six operations a parameter and token (Kaplan et al., 2020).
        return compile_pays(runtime.compile, hardware.device, 6.0 * self._parameters * tokens)

    def _end(self, status: Status, error: str | None = None) -> None:
        self._manifest.status, self._manifest.error, self._manifest.ended = status, error, now()
        self._on_save(self.trainer.progress)

    def _on_save(self, progress: Progress) -> None:
        manifest = self._manifest
        manifest.step, manifest.tokens, manifest.val_loss = progress.step, progress.tokens, progress.val_loss
        manifest.best, manifest.best_step = progress.best, progress.best_step
        manifest.write(self._folder)

    def _report(self, found: Found, args: ModelArgs, dataset: PreparedDataset, hardware: Hardware) -> None:
        """Say what is resumed and what has changed since.

        Raises:
            RunFolderError: the run was trained on other data, or a setting has changed that cannot.
        """
        for problem in found.rejected:
            say(f"warning: {problem}; using another checkpoint")
        afresh = f"set another train.runtime.out_dir, or delete {LAST}.pt and {BEST}.pt, to start afresh"
        if found.checkpoint["data"] != dataset.meta.fingerprint:
            raise RunFolderError(
                f"{self._folder}: was trained on other data or another tokenizer; bring the text back, or {afresh}"
            )
        saved = found.checkpoint["config"]
        changes = drift({**saved, **{f"train.model.{name}": value for name, value in args.items()}}, self._settings)
        for change in changes:
            if change.rule is Rule.refused:
                raise RunFolderError(
                    f"{self._folder}: {change.key} = {change.now}: cannot change during a run, which has"
                    f" {change.before}; set it back, or {afresh}"
                )
        self._refuse_conflicts(found, afresh)
        changed = Table("setting", "in the checkpoint", "in the file", "used", box=None, pad_edge=False)
        for change in changes:
            changed.add_row(change.key, _shown(change.before), _shown(change.now), change.rule.value)
        if changes:
            say("settings that have changed since the checkpoint:")
            console.print(changed)
        if yardstick(saved) != yardstick(self._settings):
            say("what is best is decided anew from here on: its measure has changed")
        if hardware.dtype is torch.float16 and not found.checkpoint["state"]["scaler"]:
            say("the scale of the loss, which float16 needs, starts anew: the checkpoint has none")

    def _refuse_conflicts(self, found: Found, afresh: str) -> None:
        """Check the settings again as they are used: with the model of the checkpoint."""
        config = self._config.train
        try:
            check_train(replace(config, model=with_args(config.model, found.checkpoint["model_args"])))
        except SettingError as error:
            raise RunFolderError(
                f"{self._folder}: {error.keys[0]}: {error.problem} in the checkpoint, whose model stays as it is;"
                f" change {error.keys[0]}, or {afresh}"
            ) from None


def _shown(value: object) -> str:
    return "unset" if value is None else str(value)
