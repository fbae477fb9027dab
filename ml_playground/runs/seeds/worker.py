"""A worker: trains one seed after the other until none is left. All workers are identical."""

from __future__ import annotations

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.engines.base import TaskFailedError
from ml_playground.errors import RunError
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.folder import console_log
from ml_playground.runs.seeds.queue import DONE, SeedQueue
from ml_playground.runs.train import train_in_folder
from ml_playground.training.device import choose_hardware


def work(config: ExperimentConfig, threads: int) -> None:
    """Train the seeds of an experiment until all have ended or are claimed by other workers.

    Raises:
        TaskFailedError: If a run failed.
        PlaygroundError: If none can be trained.
        Stopped: If a signal was received; the state is saved.
    """
    queue, runtime = SeedQueue(config), config.train.runtime
    hardware = choose_hardware(runtime.device, runtime.dtype, threads)
    dataset: PreparedDataset | None = None
    while True:
        with queue.claim() as one:
            if one is None:
                return
            if hardware.device.type == "cpu":
                one.train.runtime.threads = threads  # in its config.toml, so that a repetition has as many
            with console_log(one.train.runtime.out_dir):
                dataset = dataset or prepare(one)
                try:
                    train_in_folder(one, dataset, hardware)
                except RunError as error:  # the other seeds can still be trained
                    queue.end(one.train.runtime.seed, str(error))
                    raise TaskFailedError(str(error)) from error
                queue.end(one.train.runtime.seed, DONE)
