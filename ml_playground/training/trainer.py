"""The training loop, which depends only on a model's loss."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import cast

import torch
from torch.amp.grad_scaler import GradScaler
from torch.optim import Optimizer as TorchOptimizer

from ml_playground.dataset.batches import Batches
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.dataset.windows import Batch
from ml_playground.errors import DivergedError, OutOfMemoryError, kept
from ml_playground.models.base import LanguageModel
from ml_playground.terminal.console import say
from ml_playground.training.changed_settings import Settings, best_criterion
from ml_playground.training.checkpoint import FORMAT, Checkpoint
from ml_playground.training.compilation import CompileError, compile_loss
from ml_playground.training.config import Compile, OnNonfinite, Sampler, TrainConfig
from ml_playground.training.device import Hardware
from ml_playground.training.display import Display
from ml_playground.training.evaluation import LossFunction, evaluate
from ml_playground.training.gradients import accumulate, count_targets
from ml_playground.training.memory import exhausted
from ml_playground.training.optimizers.build import build_optimizer
from ml_playground.training.replicas import Replicas
from ml_playground.training.saving import CheckpointWriter
from ml_playground.training.schedule import learning_rate, stable_steps
from ml_playground.training.state import Progress, TrainState
from ml_playground.training.stopping import StopSignal
from ml_playground.training.tracking import SECONDS, TOKENS, Scalars, Tracker
from ml_playground.training.world import World


@dataclass(frozen=True)
class Outcome:
    """Result of a call to :meth:`Trainer.fit`."""

    progress: Progress
    signum: int | None = None
    """Signal that stopped training, or None."""
    pruned: bool = False
    """Whether the observer stopped training early."""


SampleFunction = Callable[[LanguageModel], str | None]
"""Callback that returns a text by the model, which is in evaluation mode; None for no text."""
Observer = Callable[[Progress], bool]
"""Callback invoked after each evaluation; returns whether to continue."""


class Trainer:
    """Trains one model on one dataset and reports to a tracker, a display and a checkpoint writer."""

    def __init__(
        self,
        config: TrainConfig,
        model: LanguageModel,
        dataset: PreparedDataset,
        hardware: Hardware,
        settings: Settings,
        world: World = World(),  # noqa: B008  # immutable
        sample: SampleFunction = lambda _: None,
    ) -> None:
        """Build the optimizer, the training state and the batches.

        Args:
            settings: Settings of the run by dotted key, saved in checkpoints.
            sample: Called after each evaluation; its text is logged.
            world: Rank of this process and number of processes that train the model together.

        Raises:
            DataError: If the dataset is too small for the block size.
        """
        self._config = config
        self._runtime = config.runtime
        self._dataset = dataset
        self._hardware = hardware
        self._settings = settings
        self._world = world
        size = (config.data.batch_size, config.data.block_size)
        shuffled, packed = config.data.sampler is Sampler.shuffled, config.data.packing
        self._train_batches = Batches(dataset, "train", *size, shuffled=shuffled, packed=packed)
        eval_size = (config.runtime.eval_batch_size, config.runtime.eval_block_size)
        key = "train.runtime.eval_block_size" if eval_size[1] else "train.data.block_size"
        val_size = (eval_size[0] or size[0], eval_size[1] or size[1])
        self._val_batches = Batches(dataset, "val", *val_size, key=key, packed=packed)
        self._model = model.to(hardware.device)
        self._loss: LossFunction = model.loss
        self._sample = sample
        self.replicas: Replicas | None = None
        """Processes that compute a part of the gradients of each update."""
        self._grad_norm = torch.zeros(())
        self._state = TrainState(
            model,
            build_optimizer(model, config.optim, hardware.dtype),
            GradScaler(hardware.device.type, enabled=hardware.dtype is torch.float16),
            config.runtime.ema_decay,
            hardware.device,
        )
        self._tokens_per_step = (
            world.size * config.data.grad_accum_steps * config.data.batch_size * config.data.block_size
        )
        self._stable_steps = (
            stable_steps(config.schedule, config.runtime.max_iters) if config.runtime.ckpt_stable else 0
        )
        self._skipped_before = 0
        self._unlogged_steps = 0
        self._unlogged_seconds = 0.0

    @property
    def progress(self) -> Progress:
        """Current progress of the run."""
        return self._state.progress

    @property
    def done(self) -> bool:
        """Whether training is complete: all steps are done and evaluated, or early stopping has triggered."""
        progress, patience = self.progress, self._runtime.early_stop_patience
        complete = progress.step >= self._runtime.max_iters and progress.evaluated == progress.step
        return complete or bool(patience and progress.patience >= patience)

    def compile(self) -> bool:
        """Compile the loss if ``torch.compile`` works here, and return whether it did.

        Raises:
            CompileError: If compilation fails and ``compile = "on"``.
        """
        data, runtime = self._config.data, self._runtime
        train = (data.batch_size, data.block_size)
        evaluation = (self._val_batches.batch_size, self._val_batches.block_size)
        try:
            positions = self._dataset.lengths("train") is not None
            self._loss = compile_loss(self._model, self._hardware, train, evaluation, positions=positions)
        except CompileError as error:
            if runtime.compile is Compile.on:
                raise CompileError(
                    f'train.runtime.compile = "on": torch.compile failed: {error}; or use compile = "off"'
                ) from error
            say(f"warning: torch.compile failed, so training continues without it: {error}")
            return False
        except (MemoryError, RuntimeError) as error:
            if shortage := exhausted(error, self._config):
                raise shortage from error
            raise
        return True

    def resume(self, checkpoint: Checkpoint) -> None:
        """Resume from a checkpoint of this model."""
        self._state.load_state_dict(checkpoint["state"])
        if best_criterion(checkpoint["config"]) != best_criterion(self._settings):
            self.progress.restart_best()
        self._skipped_before = int(self._state.skipped)

    def fit(
        self, tracker: Tracker, display: Display, writer: CheckpointWriter, observer: Observer = lambda _: True
    ) -> Outcome:
        """Train until done, or until a signal or the observer requests a stop. The state is saved in every case.

        Args:
            tracker: Receives the metrics.
            display: Shows progress on the terminal.
            writer: Writes the checkpoints. The last one has been written when this returns.
            observer: Called after each evaluation. A resumed run calls it again for the evaluation stored in its
                checkpoint.
        """
        progress, should_continue = self.progress, True
        with StopSignal() as stop, writer:
            while True:
                if progress.step == self._stable_steps > 0 and progress.evaluated != progress.step:
                    # Before the evaluation: if it is only due at the end of this run, a longer one does not have it.
                    self._save(tracker, writer.keep_stable)
                if self._evaluation_is_due():
                    val_loss, text = self._evaluate_and_sample(lambda: stop.signum is not None)
                    if val_loss is not None:
                        self._record(val_loss, text, tracker, display)
                        self._save(tracker, writer.save)
                if progress.evaluated == progress.step:
                    should_continue = observer(progress)
                if stop.signum or self.done or not should_continue:
                    break
                self._train_step(tracker, display)
                writer.raise_failure()  # do not spend time on steps that cannot be saved
                if writer.is_due:
                    self._save(tracker, writer.save)
            if stop.signum:
                self._save(tracker, writer.save)
            else:
                tracker.end_session()
        return Outcome(progress, stop.signum, pruned=not (should_continue or self.done))

    def _evaluate_and_sample(self, stopped: Callable[[], bool]) -> tuple[float | None, str | None]:
        with self._evaluating():
            val_loss = self._validate(stopped)
            if val_loss is None or not math.isfinite(val_loss):
                return val_loss, None
            return val_loss, self._sample(self._model)

    def evaluate(self, stopped: Callable[[], bool] = lambda: False) -> float | None:
        """Return the validation loss in nats per token, using the EMA weights if enabled; None if ``stopped``."""
        with self._evaluating():
            return self._validate(stopped)

    @contextlib.contextmanager
    def _evaluating(self) -> Generator[None]:
        """Context in which the model is in evaluation mode, with the EMA weights if enabled."""
        self._model.eval()
        with self._state.ema_weights():
            yield
        self._model.train()

    def _validate(self, stopped: Callable[[], bool]) -> float | None:
        try:
            limit, hardware = self._runtime.eval_iters, self._hardware
            return evaluate(self._loss, self._val_batches, limit, hardware, stopped, self._world)
        except (MemoryError, RuntimeError) as error:
            if exhausted(error, self._config):
                size = self._val_batches.batch_size
                raise OutOfMemoryError(
                    f"train.runtime.eval_batch_size = {size}: there is not enough memory for it; use a smaller one"
                ) from error
            raise

    def _train_step(self, tracker: Tracker, display: Display) -> None:
        config, progress, state = self._config, self.progress, self._state
        started = time.perf_counter()
        rate = learning_rate(progress.step, config.optim, config.schedule)
        state.optimizer.learning_rate = rate
        try:
            loss = self.accumulate_gradients()
        except (MemoryError, RuntimeError) as error:
            if shortage := exhausted(error, config):
                raise shortage from error
            raise
        finite = self._update(loss)
        state.take_in(loss, finite)
        state.update_ema()
        progress.step += 1
        progress.tokens += self._tokens_per_step
        logged = progress.step % self._runtime.log_interval == 0 or progress.step == 1
        # Reading a value synchronizes with an accelerator, so do it only on logged steps; on a CPU it is free.
        if logged or self._hardware.device.type == "cpu":
            self._refuse_nonfinite()
        value = loss.item() if logged else 0.0
        seconds = time.perf_counter() - started
        progress.seconds += seconds
        self._unlogged_steps += 1
        self._unlogged_seconds += seconds
        if logged:
            self._log(tracker, display, value, rate)

    def _log(self, tracker: Tracker, display: Display, loss: float, rate: float) -> None:
        # Averaged over all steps since the last log: on an accelerator a single step only enqueues its work.
        step_time = self._unlogged_seconds / self._unlogged_steps
        self._unlogged_steps, self._unlogged_seconds = 0, 0.0
        tokens_per_second = self._tokens_per_step / step_time
        display.step(self.progress.step, loss, tokens_per_second)
        scalars = {
            "train/loss": loss,
            "train/lr": rate,
            "train/tokens_per_sec": tokens_per_second,
            "train/step_time_ms": 1000 * step_time,
            "train/grad_norm": self._grad_norm.item(),
            **self._elapsed(),
        }
        if skipped := int(self._state.skipped):
            scalars["train/skipped_updates"] = skipped
        tracker.log(self.progress.step, scalars)

    def _update(self, loss: torch.Tensor) -> torch.Tensor:
        """Update the weights unless the loss or the gradients are non-finite, and return whether they are finite."""
        state = self._state
        finite = loss.isfinite()
        if state.scaler.is_enabled():
            # GradScaler skips non-finite updates itself, and too large a scale is not a failure. It only needs
            # param_groups and step() of an optimizer, which ours provide.
            optimizer = cast("TorchOptimizer", state.optimizer)
            state.scaler.unscale_(optimizer)
            self._clip_gradients()
            state.scaler.step(optimizer)
            state.scaler.update()
        else:
            self._clip_gradients()
            finite &= self._grad_norm.isfinite()
            state.optimizer.step(skip=(~finite).float())
        state.optimizer.zero_grad()
        return finite

    def _clip_gradients(self) -> None:
        clip = self._config.optim.grad_clip
        if clip:
            self._grad_norm = torch.nn.utils.clip_grad_norm_(self._model.parameters(), clip)
        else:
            gradients = [p.grad for p in self._model.parameters() if p.grad is not None]
            self._grad_norm = torch.nn.utils.get_total_norm(gradients)

    def _refuse_nonfinite(self) -> None:
        new = int(self._state.skipped) > self._skipped_before
        if new and self._runtime.on_nonfinite is OnNonfinite.stop:
            folder = self._runtime.out_dir
            raise DivergedError(
                f"{folder}: the loss or a gradient is not finite at step {self.progress.step:,};"
                f" {kept(folder)}. Try a lower train.optim.learning_rate, or train.runtime.on_nonfinite = 'skip'"
            )

    def accumulate_gradients(self) -> torch.Tensor:
        """Run the backward pass over all micro steps and return the mean loss of their targets."""
        batches = [self._batch(micro_step) for micro_step in range(self._config.data.grad_accum_steps)]
        if self.replicas:
            return self.replicas.accumulate(batches, self.progress.step)
        total = accumulate(self._loss, batches, count_targets(batches), self._hardware, self._state.scaler.scale)
        self._world.average(p.grad for p in self._model.parameters() if p.grad is not None)
        return self._world.sum(total) / self._world.size

    def _batch(self, micro_step: int) -> Batch:
        seed, step, data, world = self._runtime.seed, self.progress.step, self._config.data, self._world
        if data.sampler is Sampler.shuffled:
            index = step * data.grad_accum_steps + micro_step
            return self._train_batches.shuffled(seed, index * world.size + world.rank)
        return self._train_batches.random(seed, step, micro_step, world.rank)

    def _evaluation_is_due(self) -> bool:
        progress = self.progress
        if progress.evaluated == progress.step:
            return False  # resumed from the checkpoint written after this evaluation
        return progress.step % self._runtime.eval_interval == 0 or progress.step >= self._runtime.max_iters

    def _record(self, val_loss: float, text: str | None, tracker: Tracker, display: Display) -> None:
        self._state.record(val_loss, self._runtime)
        display.evaluated(self.progress.step, val_loss, best=self.progress.best_step == self.progress.step)
        scalars = {"val/loss": val_loss, "val/bits_per_byte": self._dataset.bits_per_byte(val_loss)}
        if (best := self.progress.best_val_loss) is not None:
            scalars |= {"best/val_loss": best, "best/bits_per_byte": self._dataset.bits_per_byte(best)}
        tracker.log_evaluation(self.progress.step, scalars, self._elapsed(), text)

    def _elapsed(self) -> Scalars:
        """Return what the run has taken so far, against which curves can be drawn."""
        return {TOKENS: self.progress.tokens, SECONDS: self.progress.seconds}

    def _checkpoint(self) -> Checkpoint:
        return {
            "format": FORMAT,
            "model_args": self._model.args,
            "tokenizer": self._dataset.meta.tokenizer,
            "data": self._dataset.meta.fingerprint,
            "config": dict(self._settings),
            "state": self._state.state_dict(),
        }

    def _save(self, tracker: Tracker, save: Callable[[Checkpoint, Progress], None]) -> None:
        self._refuse_nonfinite()
        tracker.flush()
        save(self._checkpoint(), self.progress)
