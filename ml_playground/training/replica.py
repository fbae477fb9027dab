"""A process that computes the gradients of its share of each update: ``python -m ml_playground.training.replica``.

It inherits a connection to the training process, the shared memory of the weights, and that of its gradients. It keeps
no state: the training process computes everything that a checkpoint has.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml_playground.dataset.windows import Batch
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import build_model
from ml_playground.models.config import ModelArgs
from ml_playground.training.allocator import keep_freed_memory
from ml_playground.training.device import Hardware
from ml_playground.training.gradients import accumulate
from ml_playground.training.shared_memory import shared

READY = "ready"


@dataclass(frozen=True)
class Setup:
    """What a replica is told once."""

    args: ModelArgs
    dtype: torch.dtype
    threads: int


@dataclass(frozen=True)
class Task:
    """A share of an update."""

    batches: list[tuple[NDArray[np.int64], ...]]
    """Rows of each micro step, as the tensors of a :class:`Batch`."""
    all_targets: int
    """Number of targets of the whole update."""
    seed: int
    """Of dropout."""

    def compute(self, model: LanguageModel, hardware: Hardware) -> Tensor:
        """Add the gradients of this share to those of the parameters, and return its part of the mean loss."""
        batches = [Batch(*(torch.from_numpy(rows) for rows in tensors)) for tensors in self.batches]
        with torch.random.fork_rng(devices=[]):  # the state of a run is the same wherever this is computed
            torch.manual_seed(self.seed)
            return accumulate(model.loss, batches, self.all_targets, hardware)


def move_parameters(model: LanguageModel, descriptor: int, *, copy: bool) -> None:
    """Move the parameters to shared memory.

    Args:
        copy: Write their values to it; otherwise they take those that it has.
    """
    parameters = dict(model.named_parameters())
    for name, place in shared(descriptor, parameters).items():
        if copy:
            place.copy_(parameters[name].detach())
        parameters[name].data = place


def _serve(connection: Connection, weights: int, gradients: int) -> None:
    setup: Setup = connection.recv()
    torch.set_num_threads(setup.threads)
    keep_freed_memory()
    hardware = Hardware(torch.device("cpu"), setup.dtype)
    model = build_model(setup.args).train()
    move_parameters(model, weights, copy=False)
    parameters = model.trained_parameters()
    places = shared(gradients, parameters)
    connection.send(READY)
    while True:
        task: Task = connection.recv()
        try:
            loss = task.compute(model, hardware)
        except (MemoryError, RuntimeError) as error:
            connection.send(error)
            return
        for name, parameter in parameters.items():
            places[name].zero_() if parameter.grad is None else places[name].copy_(parameter.grad)
            parameter.grad = None
        connection.send((loss.item(), time.process_time()))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the training process decides when to stop
    descriptors = [int(argument) for argument in sys.argv[1:]]
    try:
        _serve(Connection(descriptors[0]), *descriptors[1:])
    except (EOFError, ConnectionError):
        os._exit(0)  # the training process has ended
