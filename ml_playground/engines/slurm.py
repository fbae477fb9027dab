"""Workers as jobs of a Slurm cluster."""

from __future__ import annotations

import importlib
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_playground.engines.base import Engine, Job, Worker
from ml_playground.engines.lease import Assignment, Lease, run_assignment
from ml_playground.engines.registry import engines
from ml_playground.errors import PlaygroundError, RunError, UserError, first_line
from ml_playground.ranges import bounded
from ml_playground.terminal.console import say

if TYPE_CHECKING:
    from submitit import AutoExecutor
    from submitit import Job as SlurmJob

_FILES = "slurm"
"""Folder for the jobs' files and logs, below the job's own."""
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_BETWEEN_QUESTIONS = 5.0


class Executor(Enum):
    """Where jobs run."""

    slurm = "slurm"
    local = "local"
    """Processes on this machine, to try a sweep file out."""


@dataclass
class SlurmConfig:
    """``[slurm]`` in a sweep file."""

    partition: str | None = None
    """Defaults to that of the cluster."""
    account: str | None = None
    """Account to charge. Defaults to the user's own."""
    time: int = bounded(240, ge=1, le=1_000_000)
    """Minutes of a job. When they are over, its trial is saved and continues in another job."""
    cpus: int = bounded(1, ge=1, le=4096)
    """CPU cores of a trial."""
    gpus: int = bounded(0, ge=0, le=64)
    """GPUs of a trial."""
    mem: float | None = bounded(None, gt=0, le=1e6)
    """Memory of a trial in GB. Defaults to that of the cluster."""
    options: dict[str, str] = field(default_factory=dict[str, str])
    """Other options of sbatch, such as ``{ constraint = "a100" }``."""
    executor: Executor = Executor.slurm
    """``local`` runs the jobs as processes on this machine, to try a sweep file out."""


class SlurmWorker(Worker):
    """A job."""

    def __init__(self, job: SlurmJob[int | PlaygroundError], number: int, lease: Lease) -> None:
        self.problem: PlaygroundError | None = None
        self._job = job
        self._number = number
        self._lease = lease
        self._has_worked = False
        self._asked = 0.0
        self._code: int | None = None

    @property
    def exit_code(self) -> int | None:
        if self._code is None:
            is_working = self._lease.is_working(self._number)
            self._has_worked = self._has_worked or is_working
            # To spare Slurm, it is asked at once only about jobs that have stopped working, and not too often.
            ask = self._has_worked and not is_working and time.monotonic() > self._asked + _SECONDS_BETWEEN_QUESTIONS
            self._asked = time.monotonic() if ask else self._asked
            if not is_working and self._job.done(force_check=ask):
                self._code = self._outcome()
        return self._code

    def stop(self) -> None:
        self._lease.stop(self._number)
        if not self._lease.is_working(self._number):
            self._job.cancel(check=False)  # it waits in the queue
            self._has_worked = True  # ask about it from now on

    def join(self) -> None:
        while self.exit_code is None:
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _outcome(self) -> int:
        from submitit.core.utils import FailedJobError

        if not self._job.paths.result_pickle.exists():
            say(f"slurm: job {self._job.job_id} has ended without a result, in state {self._job.state}")
            return -signal.SIGKILL
        try:
            outcome = self._job.result()
        except FailedJobError as error:  # raised outside of the worker's work, such as by an import
            outcome = RunError(f"job {self._job.job_id} cannot start: {str(error).splitlines()[-1]}")
        if isinstance(outcome, PlaygroundError):
            self.problem = outcome
            return outcome.exit_code
        return outcome


@engines.register("slurm")
class SlurmEngine(Engine):
    """Submits a job for each worker; it needs the extra ``slurm``."""

    settings = SlurmConfig
    shares_cores = False

    def __init__(self, job: Job) -> None:
        assert isinstance(job.settings, SlurmConfig)
        try:
            importlib.import_module("submitit")
        except ImportError:
            raise UserError("submitit is not installed; pip install 'ml-playground[slurm]'") from None
        if job.settings.executor is Executor.slurm and not (shutil.which("sbatch") and shutil.which("srun")):
            raise UserError("Slurm is not installed here: no sbatch or srun; start the sweep on its login node")
        self._job = job
        self._config = job.settings
        self._lease: Lease | None = None
        self._workers: list[SlurmWorker] = []

    def start(self) -> SlurmWorker:
        if self._lease is None:
            self._lease = Lease(self._job.folder)
            self._executor = self._build_executor()
            say(f"slurm: workers are jobs, whose logs are in {self._job.folder / _FILES}")
        from submitit.core.utils import FailedJobError, FailedSubmissionError

        number, directory = len(self._workers), Path.cwd()
        assignment = Assignment(self._job, number, self._lease.path, self._config.cpus, directory=directory)
        try:
            job = self._executor.submit(run_assignment, assignment)
        except (FailedJobError, FailedSubmissionError) as error:
            raise UserError(f"Slurm refuses the job: {first_line(error)}") from None
        worker = SlurmWorker(job, number, self._lease)
        self._workers.append(worker)
        say(f"slurm: job {job.job_id} is submitted")
        return worker

    def wait(self, workers: Sequence[Worker], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and all(worker.exit_code is None for worker in workers):
            time.sleep(min(seconds, _SECONDS_BETWEEN_LOOKS))

    def problem(self) -> PlaygroundError | None:
        return next((worker.problem for worker in self._workers if worker.problem), None)

    def _build_executor(self) -> AutoExecutor:
        from submitit import AutoExecutor

        config = self._config
        folder = (self._job.folder / _FILES).absolute()
        folder.mkdir(mode=0o700, exist_ok=True)  # programs that others could write are read from it
        executor = AutoExecutor(folder, cluster=config.executor.value)
        memory = {} if config.mem is None else {"mem_gb": config.mem}
        gpus = {"gpus_per_node": config.gpus} if config.gpus else {}
        resources: dict[str, Any] = {"timeout_min": config.time, "cpus_per_task": config.cpus, **gpus, **memory}
        executor.update_parameters(name=self._job.folder.name, **resources)
        if config.executor is Executor.slurm:
            named = {"partition": config.partition, "account": config.account}
            given = {f"slurm_{name}": value for name, value in named.items() if value is not None}
            executor.update_parameters(slurm_additional_parameters=config.options, **given)
        return executor
