"""Workers on other machines: what is wrong with the file system is said, and workers end with who started them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_playground.durable import lock
from ml_playground.engines.base import Job
from ml_playground.engines.lease import Assignment, Lease, run_assignment
from ml_playground.errors import UserError

SHARE = "put it on a file system that all machines share"
_context = multiprocessing.get_context("forkserver")


def assignment(lease: Path, folder: Path, directory: Path) -> Assignment:
    job = Job("time:sleep", (60,), 1, folder, UserError)
    return Assignment(job, 0, lease, cores=1, host="head", directory=directory)


def elsewhere(lease: Path) -> None:
    lease.unlink()


def without_locks(lease: Path) -> None:
    shutil.copy(lease, lease.with_suffix(".tmp"))
    lease.with_suffix(".tmp").replace(lease)  # as if the lock was held on another machine only


def not_writable(lease: Path) -> None:
    lease.with_name(f"{lease.name}.0").mkdir()


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (elsewhere, f"is not the folder of that name on head; {SHARE}"),
        (without_locks, "a lock that head holds is not seen here; mount the file system with locks across machines"),
        (not_writable, "cannot be written: Is a directory; make it writable there"),
    ],
)
def test_what_is_wrong_with_the_file_system_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], None], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    lease = Lease(tmp_path)
    fault(lease.path)
    error = run_assignment(assignment(lease.path, tmp_path, tmp_path))
    assert isinstance(error, UserError)
    assert f": {tmp_path}: {problem}" in str(error)
    assert "\n" not in str(error)
    with contextlib.suppress(OSError):
        lease.path.with_name(f"{lease.path.name}.0").rmdir()


def test_a_missing_working_directory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    error = run_assignment(assignment(Lease(tmp_path).path, tmp_path, tmp_path / "none"))
    assert str(error).endswith(
        f"{tmp_path}/none: No such file or directory; put it on a file system that all machines share"
    )


def run(lease: Path, folder: Path) -> None:
    outcome = run_assignment(assignment(lease, folder, folder))
    assert isinstance(outcome, int)
    sys.exit(outcome)


def hold(folder: Path) -> None:
    lease = Lease(folder)
    (folder / "new").write_text(str(lease.path), encoding="utf-8")
    (folder / "new").rename(folder / "name")
    time.sleep(60)


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.01)


def test_a_worker_stops_when_asked_and_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    lease = Lease(tmp_path)
    asked = _context.Process(target=run, args=(lease.path, tmp_path))
    holder = _context.Process(target=hold, args=(tmp_path,))
    asked.start()
    holder.start()
    wait_for((tmp_path / "name").is_file)
    other = Path((tmp_path / "name").read_text(encoding="utf-8"))
    orphan = _context.Process(target=run, args=(other, tmp_path))
    orphan.start()
    wait_for(lambda: lease.is_working(0) and other.with_name(f"{other.name}.0").is_file())
    lease.stop(0)
    holder.kill()
    for process in (asked, orphan, holder):
        process.join(20)
    assert (asked.exitcode, orphan.exitcode) == (128 + signal.SIGTERM, -signal.SIGKILL)
    assert not lease.is_working(0)


def test_leases_are_removed_at_the_end_and_those_of_killed_processes_later(tmp_path: Path) -> None:
    abandoned, held = tmp_path / ".lease-a", tmp_path / ".lease-b"
    for path in (abandoned, held):
        path.touch()
        os.utime(path, (0, 0))
    with lock(held):
        os.utime(held, (0, 0))
        lease = Lease(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([held, lease.path])
        del lease
        assert list(tmp_path.iterdir()) == [held]
