"""Train in a run folder."""

from __future__ import annotations

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.folder import writing
from ml_playground.runs.manifest import Origin, says_finished
from ml_playground.runs.seeds.configs import seed_configs
from ml_playground.runs.seeds.training import train_seeds
from ml_playground.runs.session import RunSession
from ml_playground.terminal.console import say
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import BEST, LAST
from ml_playground.training.device import Hardware, choose_hardware
from ml_playground.training.state import Progress
from ml_playground.training.trainer import Observer, Outcome


def train(config: ExperimentConfig) -> Progress:
    """Train to the end, resuming from the run folder's last checkpoint if there is one, and return the progress.

    With ``train.runtime.seeds``, worker processes train a run folder for each, and the progress is that of the last
    one. A script then needs ``if __name__ == "__main__":``.

    Raises:
        DataError: If the text cannot be used.
        RunFolderError: If the folder is locked, or contains a run on other data.
        CheckpointError: If the folder has checkpoints, but all of them are corrupted.
        RunError: If the run failed, or its files cannot be written.
        Stopped: If a signal was received; the state is saved.
    """
    dataset = prepare(config)
    runtime = config.train.runtime
    hardware = choose_hardware(runtime.device, runtime.dtype, runtime.threads)
    if runtime.eval_only:
        return [_evaluate(one, dataset, hardware) for one in seed_configs(config)][-1]
    if runtime.seeds:
        return train_seeds(config, dataset, hardware)
    with writing(runtime.out_dir):
        return train_in_folder(config, dataset, hardware).progress


def train_in_folder(
    config: ExperimentConfig,
    dataset: PreparedDataset,
    hardware: Hardware,
    observer: Observer = lambda _: True,
    origin: Origin = Origin(),  # noqa: B008  # immutable
) -> Outcome:
    """Train as :func:`train` does, in a run folder for which the caller holds the write lock.

    Raises:
        PlaygroundError: As for :func:`train`.
        Stopped: If a signal was received; the state is saved.
    """
    folder = config.train.runtime.out_dir
    session = RunSession(config, dataset, hardware, checkpoints.find_last(folder), origin)
    if session.trainer.done and says_finished(folder):
        say(
            f"{folder}: finished at step {session.trainer.progress.step:,}; to train again, delete"
            f" {LAST}.pt and {BEST}.pt, or set another train.runtime.out_dir"
        )
        return Outcome(session.trainer.progress)
    return session.fit(observer)  # if only the final record of a finished run was lost, this writes it


def _evaluate(config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware) -> Progress:
    trainer = RunSession(config, dataset, hardware, checkpoints.find_last(config.train.runtime.out_dir)).trainer
    val_loss = trainer.evaluate()
    step = trainer.progress.step
    say(f"val loss {val_loss:.4f} at step {step:,}; nothing is written, for train.runtime.eval_only is set")
    return trainer.progress
