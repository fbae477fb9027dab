"""Workers as tasks on a Ray cluster."""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ml_playground.engines.base import Engine, Job, Worker
from ml_playground.engines.lease import Assignment, Lease, run_assignment
from ml_playground.engines.registry import engines
from ml_playground.errors import PlaygroundError, RunError, UserError, first_line
from ml_playground.ranges import bounded
from ml_playground.terminal.console import say

if TYPE_CHECKING:
    from ray import ObjectRef


@dataclass
class RayConfig:
    """``[ray]`` in a sweep file."""

    address: str = "auto"
    """Address of the cluster, such as ``10.0.0.1:6379``; ``auto`` is the one that this machine belongs to."""
    num_cpus: int = bounded(1, ge=1, le=4096)
    """CPU cores of a trial."""
    num_gpus: float = bounded(0.0, ge=0, le=64)
    """GPUs of a trial; a fraction lets trials share one."""


class RayWorker(Worker):
    """A task."""

    def __init__(self, task: ObjectRef[int | PlaygroundError], number: int, lease: Lease) -> None:
        self.task = task
        self.problem: PlaygroundError | None = None
        self._number = number
        self._lease = lease
        self._code: int | None = None

    @property
    def exit_code(self) -> int | None:
        import ray

        if self._code is None and ray.wait([self.task], timeout=0)[0]:
            self._code = self._outcome()
        return self._code

    def stop(self) -> None:
        import ray

        self._lease.stop(self._number)
        if not self._lease.is_working(self._number):  # it may wait for a node for ever
            ray.cancel(self.task)

    def join(self) -> None:
        import ray

        ray.wait([self.task])

    def _outcome(self) -> int:
        import ray
        from ray.exceptions import RayError, RayTaskError, TaskCancelledError

        try:
            outcome = ray.get(self.task)
        except TaskCancelledError:
            return -signal.SIGTERM
        except RayTaskError as error:  # raised outside of the job, such as by an import
            outcome = RunError(
                f"a worker on the Ray cluster cannot start: {first_line(cast('Exception', error.cause))}"
            )
        except RayError as error:
            say(f"ray: a worker was lost: {first_line(error).partition('. ')[0]}")
            return -signal.SIGKILL
        if isinstance(outcome, PlaygroundError):
            self.problem = outcome
            return outcome.exit_code
        return outcome


@engines.register("ray")
class RayEngine(Engine):
    """Starts each worker as a task with CPUs and GPUs of its own; it needs the extra ``ray``."""

    settings = RayConfig
    shares_cores = False

    def __init__(self, job: Job) -> None:
        config = job.settings
        assert isinstance(config, RayConfig)
        ray = _connected(config)
        nodes = [cast("Mapping[str, float]", node["Resources"]) for node in ray.nodes() if node["Alive"]]
        room = sum(_room(node, config) for node in nodes)
        if not room:
            largest = ", ".join(f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes)
            raise UserError(
                f"no node of the Ray cluster has {config.num_cpus} CPUs and {config.num_gpus:g} GPUs for a trial; its"
                f" nodes have {largest}; lower ray.num_cpus or ray.num_gpus"
            )
        say(f"ray: {len(nodes)} nodes, room for {room} trials at a time")
        if room < job.workers:
            say(f"ray: {job.workers - room} of {job.workers} workers wait until a node is added")
        self._job = job
        self._config = config
        self._lease: Lease | None = None
        self._workers: list[RayWorker] = []
        options = {"num_cpus": config.num_cpus, "num_gpus": config.num_gpus}
        # A worker is restarted by the supervisor, which counts, and its process is not fit for another task.
        self._function: Any = ray.remote(max_calls=1, max_retries=0, scheduling_strategy="SPREAD", **options)(
            run_assignment
        )

    def start(self) -> RayWorker:
        self._lease = self._lease or Lease(self._job.folder)
        number = len(self._workers)
        assignment = Assignment(self._job, number, self._lease.path, self._config.num_cpus, directory=Path.cwd())
        worker = RayWorker(self._function.remote(assignment), number, self._lease)
        self._workers.append(worker)
        return worker

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        import ray

        ray.wait([worker.task for worker in workers if isinstance(worker, RayWorker)], timeout=seconds)

    def problem(self) -> PlaygroundError | None:
        return next((worker.problem for worker in self._workers if worker.problem), None)


def _connected(config: RayConfig) -> Any:
    """Connect to the cluster, and return the module ``ray``."""
    try:
        import ray
    except ImportError:
        raise UserError("Ray is not installed; pip install 'ml-playground[ray]'") from None
    if config.address.startswith("ray://"):
        raise UserError(
            "ray.address: ray:// is for programs outside of the cluster; run the sweep on one of its machines"
        )
    host, _, port = config.address.rpartition(":")
    if config.address != "auto" and not (host and port.isdecimal()):
        raise UserError(f"ray.address: '{config.address}' is no address; write HOST:PORT, or auto")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if config.address != "auto":  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=config.address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, OverflowError, ValueError, RuntimeError) as error:
        raise UserError(
            f"no Ray cluster can be reached at '{config.address}': {first_line(error)}; ray start --head starts one"
        ) from None
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray's own would exit without saving
    return ray


def _room(node: Mapping[str, float], config: RayConfig) -> int:
    gpus = node.get("GPU", 0) / config.num_gpus if config.num_gpus else math.inf
    return math.floor(min(node.get("CPU", 0) / config.num_cpus, gpus))
