"""A session of a run: from its start or its last checkpoint until training ends or is stopped."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import replace

from ml_playground.composition.snapshot import settings, settings_of, snapshot
from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.durable import write_text
from ml_playground.errors import DivergedError, Stopped
from ml_playground.models.build import build_model, parameter_counts
from ml_playground.runs.initial import initial_model
from ml_playground.runs.manifest import Origin, RunManifest, Status, find_manifest, now
from ml_playground.runs.metrics import read_metrics, truncate_metrics
from ml_playground.runs.resuming import check_resume, saved_workers
from ml_playground.runs.settings import relevant, show_params
from ml_playground.sampling.excerpt import Excerpt
from ml_playground.terminal.console import say
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import LoadedCheckpoint
from ml_playground.training.device import Hardware, compile_pays, processor
from ml_playground.training.display import Display
from ml_playground.training.flops import flops_per_token
from ml_playground.training.memory import estimate, refuse_too_large, refuse_too_much
from ml_playground.training.replicas import Replicas
from ml_playground.training.rng import seed_everything
from ml_playground.training.saving import CheckpointWriter
from ml_playground.training.stable import forget_stable
from ml_playground.training.state import Progress
from ml_playground.training.tracking import Session, Tracker
from ml_playground.training.trainer import Observer, Outcome, Trainer
from ml_playground.training.workers import WORKERS, choose_workers


class RunSession:
    """Builds the trainer, and keeps ``run.json`` up to date during training."""

    def __init__(
        self,
        config: ExperimentConfig,
        dataset: PreparedDataset,
        hardware: Hardware,
        found: LoadedCheckpoint | None,
        origin: Origin = Origin(),  # noqa: B008  # immutable
    ) -> None:
        """Build the model and the trainer, and restore their state.

        Args:
            found: The checkpoint to resume from; None for a new run.
            origin: Recorded in ``run.json``.

        Raises:
            RunFolderError: If the run was trained on other data, or a setting that must not change has changed.
            TooLargeError: If the model does not fit into memory.
        """
        self._config = config
        self._found = found
        self._folder = config.train.runtime.out_dir
        seed_everything(config.train.runtime.seed)
        args = config.train.model.args(dataset.meta.vocab_size)
        if found:
            args = found.checkpoint["model_args"]
        counts = parameter_counts(args)
        workers = choose_workers(config.train, counts[0], hardware, saved_workers(found) if found else None)
        hardware = replace(hardware, workers=workers)
        self._settings = {**settings(config), WORKERS: workers}
        if found:
            check_resume(found, config, dataset, hardware)
        refuse_too_large(*counts, config.train, hardware)
        self._model = build_model(args) if found else initial_model(config.train.model, dataset)
        self._parameters = sum(parameter.numel() for parameter in self._model.parameters())
        self._trained = sum(parameter.numel() for parameter in self._model.trained_parameters().values())
        self._hardware = replace(hardware, compiled=self._compile_pays(hardware))
        excerpt = Excerpt(config, dataset.tokenizer, self._hardware)
        self.trainer = Trainer(config.train, self._model, dataset, self._hardware, self._settings, sample=excerpt)
        self._writer = CheckpointWriter(self._folder, config.train.runtime, self._on_save)
        if found:
            self.trainer.resume(found.checkpoint)
            if not config.train.runtime.eval_only:
                self._writer.resume(found, self.trainer.progress)
            if not self.trainer.done:
                say(f"resuming: {found.path} at step {found.step:,}")
        elif not config.train.runtime.eval_only:
            checkpoints.forget(self._folder)
            forget_stable(self._folder)
        self._manifest = self._record(dataset, origin)
        self._flops_per_token = 0.0
        self._cpu_counted = time.process_time()

    def fit(self, observer: Observer) -> Outcome:
        """Train until done, or until the observer requests a stop.

        Raises:
            TooLargeError: If training does not fit into memory.
            RunError: If the run failed, or its files cannot be written.
            Stopped: If a signal was received; the state is saved.
        """
        data = self._config.train.data
        memory = estimate(self._model, self._config.train, self._hardware)
        refuse_too_much(memory, self._config.train, self._hardware)
        if self._hardware.compiled and not self.trainer.compile():
            self._hardware = replace(self._hardware, compiled=False)
            self._manifest.hardware = str(self._hardware)
        say(
            f"training: {self._parameters / 1e6:.2f} M parameters{self._share()},"
            f" {self._config.train.runtime.max_iters:,} steps of {data.grad_accum_steps} x {data.batch_size} x"
            f" {data.block_size} tokens, on {self._hardware}"
        )
        say(f"memory: {memory}")
        self._flops_per_token = flops_per_token(self._model)
        say(f"run folder: {self._folder}  (curves: tensorboard --logdir {self._folder.parent})")
        write_text(self._folder / "config.toml", snapshot(self._config))
        self._on_save(self.trainer.progress)
        try:
            with self._replicas() as self.trainer.replicas, self._tracker() as tracker, self._display() as display:
                outcome = self.trainer.fit(tracker, display, self._writer, observer)
        except Exception as error:
            with contextlib.suppress(OSError):  # report the first error
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
            raise Stopped(outcome.signum, f"stopped at step {progress.step:,}, saved; run the same command to resume")
        if progress.best is not None:
            metric, verb = self._config.train.runtime.ckpt_metric.name.replace("_", " "), self._manifest.status
            say(f"{verb}: step {progress.step:,}, best {metric} {progress.best:.4f} at step {progress.best_step:,}")
        return outcome

    def _record(self, dataset: PreparedDataset, origin: Origin) -> RunManifest:
        runtime, block_size, meta = self._config.train.runtime, self._config.train.data.block_size, dataset.meta
        before = find_manifest(self._folder) if self._found else None
        return RunManifest(
            self._config.experiment,
            "running",
            runtime.max_iters,
            meta.fingerprint,
            str(self._hardware),
            processor(self._hardware.device),
            parameters=self._parameters,
            trained_parameters=self._trained,
            cpu_seconds=before.cpu_seconds if before else 0.0,
            bytes_per_token=dataset.bytes_per_token,
            seed=runtime.seed,
            params=dict(origin.params),
            repeat_of=origin.repeat_of,
            tokenizer=meta.tokenizer["kind"],
            vocab_size=meta.vocab_size,
            block_size=block_size,
            eval_block_size=runtime.eval_block_size or block_size,
            val_text=meta.val_text,
            resumed_from=self._found.step if self._found else None,
        )

    def _share(self) -> str:
        if self._trained == self._parameters:
            return ""
        return f" ({self._trained:,} of them trained, {100 * self._trained / self._parameters:.2f} %)"

    def _tracker(self) -> Tracker:
        resumed_at = self._found.step if self._found else None
        path = self._folder / "metrics.jsonl"
        truncate_metrics(path, resumed_at)
        settings = relevant({**settings_of(self._config.prepare, "prepare."), **self._settings})
        share = {"trained_parameters": self._trained, "trained_share": self._trained / self._parameters}
        counts = {f"model.{name}": value for name, value in {"parameters": self._parameters, **share}.items()}
        session = Session(str(self._folder), {**settings, **counts}, show_params(self._manifest.params))
        return Tracker(self._folder, session, resumed_at, read_metrics(path))

    def _display(self) -> Display:
        return Display(self.trainer.progress.step, self._config.train.runtime.max_iters)

    def _replicas(self) -> contextlib.AbstractContextManager[Replicas | None]:
        if self._hardware.workers == 1:
            return contextlib.nullcontext()
        return Replicas(self._model, self._hardware, self._config.train.runtime.seed)

    def _compile_pays(self, hardware: Hardware) -> bool:
        if hardware.workers > 1:
            return False
        data, runtime = self._config.train.data, self._config.train.runtime
        tokens = runtime.max_iters * data.grad_accum_steps * data.batch_size * data.block_size
        # Forward and backward take 6 FLOPs per parameter and token (Kaplan et al., 2020).
        return compile_pays(runtime.compile, hardware.device, 6.0 * self._parameters * tokens)

    def _end(self, status: Status, error: str | None = None) -> None:
        self._manifest.status, self._manifest.error, self._manifest.ended = status, error, now()
        self._on_save(self.trainer.progress)

    def _on_save(self, progress: Progress) -> None:
        manifest, others = self._manifest, self.trainer.replicas
        used = time.process_time() + (others.cpu_seconds if others else 0.0)
        manifest.step, manifest.tokens, manifest.seconds = progress.step, progress.tokens, progress.seconds
        manifest.val_loss, manifest.best_val_loss = progress.val_loss, progress.best_val_loss
        manifest.flops = self._flops_per_token * progress.tokens
        manifest.cpu_seconds, self._cpu_counted = manifest.cpu_seconds + used - self._cpu_counted, used
        manifest.best, manifest.best_step = progress.best, progress.best_step
        manifest.write(self._folder)
