"""Data-parallel training on the cores of one machine.

At the sizes of small models, the threads of a matrix product wait for one another as long as they compute: processes
of one thread each, which meet once per update, are faster.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Self, cast

import numpy as np
import torch
from torch import Tensor

from ml_playground.dataset.windows import Batch
from ml_playground.models.base import LanguageModel
from ml_playground.terminal.console import say
from ml_playground.training.device import Hardware
from ml_playground.training.gradients import count_targets
from ml_playground.training.replica import READY, Setup, Task, move_parameters
from ml_playground.training.shared_memory import allocate, shared


@dataclass
class _Process:
    process: subprocess.Popen[bytes]
    connection: Connection
    gradients: dict[str, Tensor]
    cpu_seconds: float = 0.0
    ready: bool = False
    dead: bool = False


class Replicas:
    """Context manager of the processes that compute gradients together with this one.

    An update's rows are split into equal shares, whose gradients are added in their order. A share is computed here
    while its process starts, and after it was killed: the result has the same bits.
    """

    def __init__(self, model: LanguageModel, hardware: Hardware, seed: int) -> None:
        """Move the model's parameters to shared memory, and start the other processes.

        Args:
            model: A model on the CPU. Its optimizer may be built before or after.
            hardware: With the number of processes, this one included, which share torch's threads.
            seed: Of dropout, with the step.
        """
        self._model, self._hardware, self._seed = model, hardware, seed
        self._all_threads = torch.get_num_threads()
        self._threads = max(1, self._all_threads // hardware.workers)
        self._parameters = model.trained_parameters()
        weights = allocate(dict(model.named_parameters()))
        move_parameters(model, weights, copy=True)
        self._processes = [self._start(weights) for _ in range(1, hardware.workers)]
        os.close(weights)

    def _start(self, weights: int) -> _Process:
        ours, theirs = Pipe()
        gradients = allocate(self._parameters)
        inherited = [theirs.fileno(), weights, gradients]
        command = [sys.executable, "-m", "ml_playground.training.replica", *map(str, inherited)]
        process = subprocess.Popen(command, pass_fds=inherited, stdin=subprocess.DEVNULL, start_new_session=True)
        theirs.close()
        ours.send(Setup(self._model.args, self._hardware.dtype, self._threads))
        places = shared(gradients, self._parameters)
        os.close(gradients)
        return _Process(process, ours, places)

    @property
    def processes(self) -> list[int]:
        """IDs of the other processes."""
        return [each.process.pid for each in self._processes]

    @property
    def cpu_seconds(self) -> float:
        """CPU time of the other processes."""
        return sum(each.cpu_seconds for each in self._processes)

    @property
    def ready(self) -> bool:
        """Whether all other processes compute their shares."""
        return all(each.ready and not each.dead for each in self._processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for each in self._processes:
            each.connection.close()  # upon which it ends
            each.process.wait()

    def accumulate(self, batches: Sequence[Batch], step: int) -> Tensor:
        """Add the gradients of an update's mean loss to those of the parameters, and return the loss.

        Raises:
            MemoryError: There is not enough memory, here or in another process.
            RuntimeError: The same, as torch says it.
        """
        first, *others = self._tasks(batches, step)
        sent = [self._send(process, task) for process, task in zip(self._processes, others, strict=True)]
        torch.set_num_threads(self._threads)
        try:
            loss = first.compute(self._model, self._hardware)
            for process, task, is_sent in zip(self._processes, others, sent, strict=True):
                part = self._receive(process) if is_sent else None
                if part is None:
                    loss += self._compute(task)
                else:
                    loss += part
                    self._add(process.gradients)
        finally:
            torch.set_num_threads(self._all_threads)
        return loss

    def _tasks(self, batches: Sequence[Batch], step: int) -> list[Task]:
        workers, all_targets = self._hardware.workers, count_targets(batches)
        shares = [
            [tuple(tensor.tensor_split(workers)[rank].numpy() for tensor in batch.tensors) for batch in batches]
            for rank in range(workers)
        ]
        seeds = np.random.SeedSequence((self._seed, step)).generate_state(workers, np.uint32)
        return [Task(share, all_targets, int(seed)) for share, seed in zip(shares, seeds, strict=True)]

    def _send(self, process: _Process, task: Task) -> bool:
        """Return whether the process computes the task."""
        if process.dead:
            return False
        try:
            process.ready = process.ready or (process.connection.poll() and process.connection.recv() == READY)
            if process.ready:
                process.connection.send(task)
        except (EOFError, OSError):
            self._give_up(process)
        return process.ready and not process.dead

    def _receive(self, process: _Process) -> float | None:
        """Return the share's part of the loss; None if the process was killed."""
        try:
            answer: object = process.connection.recv()
        except (EOFError, OSError):
            self._give_up(process)
            return None
        if isinstance(answer, (MemoryError, RuntimeError)):
            raise answer
        loss, process.cpu_seconds = cast("tuple[float, float]", answer)
        return loss

    def _give_up(self, process: _Process) -> None:
        process.dead = True
        process.connection.close()
        say(
            "warning: a process that computes gradients has died, perhaps for lack of memory; this one computes its"
            " share from now on, which takes longer and has the same results"
        )

    def _compute(self, task: Task) -> Tensor:
        """Compute a share here, and add it as if another process had computed it."""
        before = {name: parameter.grad for name, parameter in self._parameters.items()}
        for parameter in self._parameters.values():
            parameter.grad = None
        loss = task.compute(self._model, self._hardware)
        computed = {name: p.grad for name, p in self._parameters.items() if p.grad is not None}
        for name, parameter in self._parameters.items():
            parameter.grad = before[name]
        self._add(computed)
        return loss

    def _add(self, gradients: dict[str, Tensor]) -> None:
        for name, gradient in gradients.items():
            parameter = self._parameters[name]
            if parameter.grad is None:
                parameter.grad = gradient.clone()
            else:
                parameter.grad.add_(gradient)
