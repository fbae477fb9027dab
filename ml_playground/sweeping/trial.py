"""A trial: a regular run whose evaluations and final state are reported to the study."""

from __future__ import annotations

import gc
import math
import traceback
from pathlib import Path

import optuna
from optuna.trial import TrialState

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.engines.base import TaskFailedError
from ml_playground.errors import (
    CheckpointError,
    DivergedError,
    OutOfMemoryError,
    PlaygroundError,
    TooLargeError,
    first_line,
)
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.folder import console_log
from ml_playground.runs.fork import fork_run
from ml_playground.runs.manifest import Origin
from ml_playground.runs.train import train_in_folder
from ml_playground.sweeping.claim import Claim
from ml_playground.sweeping.database import StudyError
from ml_playground.sweeping.followup import FollowUp, Outcome, record_outcome
from ml_playground.sweeping.leaves import Params
from ml_playground.sweeping.metrics import score
from ml_playground.sweeping.points import values_of
from ml_playground.sweeping.study import (
    DIVERGED,
    OUT_OF_MEMORY,
    PRUNED_AT,
    REASON,
    end_trial,
    find_trial,
    in_memory,
    open_trial,
    reason,
)
from ml_playground.sweeping.sweep import VAL_LOSS, Sweep
from ml_playground.training.config import TrainConfig
from ml_playground.training.device import choose_hardware
from ml_playground.training.memory import exhausted
from ml_playground.training.state import Progress
from ml_playground.training.trainer import Observer


class TrialRunner:
    """Runs the trials of one worker sequentially."""

    def __init__(self, sweep: Sweep, study: optuna.Study, threads: int) -> None:
        """Create the runner.

        Args:
            threads: CPU threads of trials that do not set a number themselves.
        """
        self._sweep = sweep
        self._study = study
        self._threads = threads
        self._data: tuple[ExperimentConfig, PreparedDataset] | None = None

    def run(self, claim: Claim) -> None:
        """Train a claimed trial, resuming from its last checkpoint if there is one, and record its final state.

        Raises:
            TaskFailedError: If the trial failed.
            OSError, CheckpointError, StudyError: If its files or the study cannot be written; the trial stays in state
                RUNNING, to be resumed.
            Stopped: If a signal was received; the trial stays in state RUNNING as well.
        """
        folder = self._sweep.trial_folder(claim.number)
        with console_log(folder):
            try:
                pruned = None if self._train(claim) else reason(find_trial(self._study, claim.number))
            except (OSError, CheckpointError, StudyError):
                raise
            except Exception as error:
                pruned = _reason_to_prune(error, claim.config.train)
                if pruned is None:
                    if not isinstance(error, PlaygroundError):
                        traceback.print_exc()
                    end_trial(self._study, claim.number, TrialState.FAIL, _one_line(error))
                    raise TaskFailedError(f"trial {claim.number}: {_one_line(error)}") from error
            self._finish(claim, folder, pruned)

    def follow_up(self, run: FollowUp) -> None:
        """Train a claimed follow-up run, resuming it if it was started, and record its score.

        Raises:
            TaskFailedError, OSError, CheckpointError, StudyError, Stopped: As for :meth:`run`.
        """
        config, folder = run.config(self._sweep), run.folder(self._sweep)
        with console_log(folder):
            try:
                if source := run.source(self._sweep):
                    fork_run(source, folder)
                self._fit(config, values_of(run.trial), lambda _: True)
            except (OSError, CheckpointError, StudyError):
                raise
            except Exception as error:
                why = _reason_to_prune(error, config.train)
                record_outcome(self._study, run, Outcome(None, why or _one_line(error)))
                if why is None:
                    if not isinstance(error, PlaygroundError):
                        traceback.print_exc()
                    raise TaskFailedError(f"{folder}: {_one_line(error)}") from error
                gc.collect()
                return
            value = score(folder, self._sweep.objectives[0])
            outcome = Outcome(value) if math.isfinite(value) else Outcome(None, f"{DIVERGED}: it is not finite")
            record_outcome(self._study, run, outcome)

    def _train(self, claim: Claim) -> bool:
        observer = _Observer(self._sweep, self._study, claim, claim.config.train.runtime.max_iters)
        return self._fit(claim.config, claim.params, observer)

    def _fit(self, config: ExperimentConfig, params: Params, observer: Observer) -> bool:
        """Train in the run folder, and return whether training reached its end."""
        runtime = config.train.runtime
        hardware = choose_hardware(runtime.device, runtime.dtype, runtime.threads or self._threads)
        return not train_in_folder(config, self._dataset(config), hardware, observer, Origin(params)).pruned

    def _dataset(self, config: ExperimentConfig) -> PreparedDataset:
        # Checking whether the source has changed reads it; once for all trials is enough.
        if self._data is None or self._data[0].prepare != config.prepare:
            self._data = config, prepare(config)
        return self._data[1]

    def _finish(self, claim: Claim, folder: Path, pruned: str | None) -> None:
        if pruned is not None:
            end_trial(self._study, claim.number, TrialState.PRUNED, pruned)
            gc.collect()  # free the memory of this trial before the next one
            return
        scores = [score(folder, metric) for metric in self._sweep.objectives]
        if all(map(math.isfinite, scores)):
            self._study.tell(claim.number, scores)
        else:
            end_trial(
                self._study,
                claim.number,
                TrialState.PRUNED,
                f"{DIVERGED}: its {' or '.join(self._sweep.objectives)} is not finite",
            )


class _Observer:
    """Reports the evaluations of a run, with tokens as the step, and queries the pruner."""

    def __init__(self, sweep: Sweep, study: optuna.Study, claim: Claim, max_iters: int) -> None:
        number = claim.number
        self._sweep = sweep
        self._study = study
        self._number = number
        self._is_baseline = sweep.is_baseline(claim.params)
        self._max_iters = max_iters
        self._trial = open_trial(study, number)

    def __call__(self, progress: Progress) -> bool:
        place = self._sweep.budget.place(progress.tokens)
        frozen = find_trial(self._study, self._number)
        value = self._value(progress)
        # Optuna does not support reports with two objectives. The loss of an untrained model carries no information.
        if place == 0 or len(self._sweep.objectives) > 1 or not math.isfinite(value):
            return True
        if place not in frozen.intermediate_values:
            self._trial.report(value, place)
        if progress.step >= self._max_iters:
            return True
        # Pruners record in the study how far a trial has come, and decide on each step only once. The decision is
        # therefore made on a copy and stored first; otherwise a kill between the two would lose it, or the record.
        if PRUNED_AT not in frozen.user_attrs and not self._is_baseline:
            copy = in_memory(self._study)
            if self._study.pruner.prune(copy, copy.trials[self._number]):
                self._trial.set_user_attr(REASON, f"by {self._sweep.pruner.name} after {progress.tokens:,} tokens")
                self._trial.set_user_attr(PRUNED_AT, place)
        self._trial.should_prune()
        pruned_at = self._trial.user_attrs.get(PRUNED_AT)
        return pruned_at is None or place < int(pruned_at)

    def _value(self, progress: Progress) -> float:
        (metric, *_) = self._sweep.objectives
        if metric == VAL_LOSS:
            return math.inf if progress.val_loss is None else progress.val_loss
        return score(self._sweep.trial_folder(self._number), metric)


def _reason_to_prune(error: Exception, config: TrainConfig) -> str | None:
    """Return why a configuration cannot be trained if the error implies this; None for any other error."""
    if isinstance(error, DivergedError):
        return f"{DIVERGED}: the loss or a gradient is not finite"
    if isinstance(error, (TooLargeError, OutOfMemoryError)) or exhausted(error, config):
        return f"{OUT_OF_MEMORY}: {_one_line(error)}"
    return None


def _one_line(error: Exception) -> str:
    line = first_line(error)
    return line if isinstance(error, PlaygroundError) else f"{type(error).__name__}: {line}"
