"""Training in a run folder."""

from __future__ import annotations

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.folder import writing
from ml_playground.runs.manifest import says_finished
from ml_playground.runs.session import RunSession
from ml_playground.terminal.console import say
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import BEST, LAST
from ml_playground.training.device import Hardware, choose_hardware
from ml_playground.training.state import Progress
from ml_playground.training.trainer import Observer, Outcome


def train(config: ExperimentConfig) -> Progress:
    """Train to the end, resuming from the run folder's last checkpoint where there is one; how far it is then.

    Raises:
        DataError: the text cannot be used.
        RunFolderError: the folder is busy, or contains a run on other data.
        CheckpointError: the folder has checkpoints, all of them damaged.
        RunError: the run failed, or its files cannot be written.
        Stopped: a signal came; the state is saved.
    """
    dataset = prepare(config)
    runtime = config.train.runtime
    hardware = choose_hardware(runtime.device, runtime.dtype, runtime.threads)
    if runtime.eval_only:
        return _evaluate(config, dataset, hardware)
    with writing(runtime.out_dir):
        return train_in_folder(config, dataset, hardware).progress


def train_in_folder(
    config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware, observer: Observer = lambda _: True
) -> Outcome:
    """The same, in a run folder that the caller is writing in.

    Raises:
        PlaygroundError: as :func:`train` does.
        Stopped: a signal came; the state is saved.
    """
    folder = config.train.runtime.out_dir
    session = RunSession(config, dataset, hardware, checkpoints.find_last(folder))
    if session.trainer.done and says_finished(folder):
        say(
            f"{folder}: finished at step {session.trainer.progress.step:,}; to train again, delete"
            f" {LAST}.pt and {BEST}.pt, or set another train.runtime.out_dir"
        )
        return Outcome(session.trainer.progress)
    return session.fit(observer)  # where only the end of a finished run was lost, it is written now


def _evaluate(config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware) -> Progress:
    trainer = RunSession(config, dataset, hardware, checkpoints.find_last(config.train.runtime.out_dir)).trainer
    val_loss = trainer.evaluate()
    step = trainer.progress.step
    say(f"val loss {val_loss:.4f} at step {step:,}; nothing is written, for train.runtime.eval_only is set")
    return trainer.progress
