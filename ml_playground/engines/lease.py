"""The tie between a process and its workers on other machines: locked files in a folder that all of them share.

The process holds a lock on its lease, and each worker one on a file of its own, beside it. So each knows whether the
other is alive, wherever it runs, and a worker that cannot see the lock of the lease finds out that the folder is not
shared as it must be.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ml_playground.durable import is_locked, lock
from ml_playground.engines.base import Job
from ml_playground.engines.outcome import run_in_this_process
from ml_playground.errors import PlaygroundError, UserError

_NAME = ".lease-"
_SECONDS_BETWEEN_LOOKS = 1.0
_STALE_SECONDS = 60.0
_FIX = "put it on a file system that all machines share"


class Lease:
    """The lock of the process that starts workers, which the kernel releases when it dies."""

    def __init__(self, folder: Path) -> None:
        for old in folder.glob(f"{_NAME}*"):  # of processes that were killed
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > _STALE_SECONDS and not is_locked(old):
                    old.unlink()
        self.path = folder / f"{_NAME}{secrets.token_hex(8)}"
        held = contextlib.ExitStack()
        held.enter_context(lock(self.path))
        weakref.finalize(self, _end, self.path, held)

    def stop(self, number: int) -> None:
        """Ask a worker to save its state and exit."""
        with self.path.open("a") as file:
            file.write(f"\n{number}")

    def is_working(self, number: int) -> bool:
        """Return whether a worker is alive, which it is not while it waits for a machine."""
        return is_locked(_own(self.path, number))


@dataclass(frozen=True)
class Assignment:
    """What a worker on another machine is given. It can be pickled."""

    job: Job
    number: int
    """Number of the worker, from 0."""
    lease: Path
    cores: int
    """CPU cores that the worker has for itself."""
    host: str = socket.gethostname()
    """Machine of the lease."""
    directory: Path = Path()
    """Working directory of the process with the lease."""


def run_assignment(assignment: Assignment) -> int | PlaygroundError:
    """Do a worker's job on this machine, after checking that the folder is shared. The process is not used afterwards.

    Returns:
        The exit code, or an error that would affect every other worker.
    """
    os.environ["OMP_NUM_THREADS"] = str(assignment.cores)  # read when torch is imported
    with contextlib.ExitStack() as held:
        try:
            _share(assignment, held)
        except UserError as error:
            return error
        threading.Thread(target=_obey, args=(assignment,), daemon=True).start()
        signal.signal(signal.SIGUSR2, _stop)  # from Slurm, some time before it ends the job
        return run_in_this_process(assignment.job)


def _share(assignment: Assignment, held: contextlib.ExitStack) -> None:
    """Check that this machine shares folder and locks with that of the lease, and take this worker's own lock.

    Raises:
        UserError: If it does not; the message says what is wrong where.
    """
    here, folder = socket.gethostname(), assignment.job.folder
    try:
        os.chdir(assignment.directory)
    except OSError as error:
        raise UserError(f"{here}: {assignment.directory}: {error.strerror}; {_FIX}") from None
    if not assignment.lease.is_file():
        raise UserError(f"{here}: {folder}: is not the folder of that name on {assignment.host}; {_FIX}")
    if not is_locked(assignment.lease):
        raise UserError(
            f"{here}: {folder}: a lock that {assignment.host} holds is not seen here; mount the file system with locks"
            " across machines, such as NFS 4, or Lustre with -o flock"
        )
    try:
        held.enter_context(lock(_own(assignment.lease, assignment.number)))
    except OSError as error:
        raise UserError(f"{here}: {folder}: cannot be written: {error.strerror}; make it writable there") from None


def _stop(_signum: int = 0, _frame: FrameType | None = None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _obey(assignment: Assignment) -> None:
    """Stop when asked to, and exit at once, as if killed with it, when the process with the lease has died."""
    stopping = False
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        try:
            alive = is_locked(assignment.lease)
            asked = str(assignment.number) in assignment.lease.read_text(encoding="utf-8").splitlines()[1:]
        except OSError:  # a file system that is away for a while
            continue
        if not alive:
            os.kill(os.getpid(), signal.SIGKILL)
        if asked and not stopping:
            stopping = True
            _stop()


def _own(lease: Path, number: int) -> Path:
    return lease.with_name(f"{lease.name}.{number}")


def _end(path: Path, held: contextlib.ExitStack) -> None:
    for file in path.parent.glob(f"{path.name}.*"):
        file.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    held.close()
