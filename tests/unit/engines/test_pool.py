from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ml_playground.engines.base import Engine, Job, Worker
from ml_playground.engines.pool import Crashes, Pool
from ml_playground.errors import PlaygroundError, RunError, UserError


class Scripted(Worker):
    """Exits with a code when it is told to."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.joined = False

    @property
    def exit_code(self) -> int | None:
        return self.code

    def stop(self) -> None:
        self.code = 143

    def join(self) -> None:
        assert self.code is not None, "joined before it was stopped"
        self.joined = True


class ScriptedEngine(Engine):
    """Runs the job in its own process, in the constructor of each worker."""

    def __init__(self, job: Job) -> None:
        self.workers: list[Scripted] = []
        self.error: PlaygroundError | None = None
        self._job = job

    def start(self) -> Worker:
        self._job.run()
        self.workers.append(Scripted())
        return self.workers[-1]

    def wait(self, workers: Sequence[Worker], seconds: float) -> None: ...

    def problem(self) -> PlaygroundError | None:
        return self.error


def engine(tmp_path: Path) -> ScriptedEngine:
    return ScriptedEngine(Job("pathlib:Path.mkdir", (tmp_path / "done", 0o777, True, True), 2, tmp_path, UserError))


def test_a_pool_reports_exits_once_and_stops_the_others_when_it_is_left(tmp_path: Path) -> None:
    scripted = engine(tmp_path)
    with Pool(scripted) as pool:
        pool.start(3)
        assert (tmp_path / "done").exists(), "each worker runs the job"
        first, second, third = scripted.workers
        first.code, third.code = 1, 0
        assert pool.wait(0) == [1, 0]
        assert pool.wait(0) == []
        assert len(pool) == 1
    assert (second.code, second.joined, first.joined) == (143, True, False)


def test_what_no_worker_can_continue_with_is_raised(tmp_path: Path) -> None:
    scripted = engine(tmp_path)
    with Pool(scripted) as pool:
        pool.start(2)
        scripted.workers[0].code, scripted.error = 1, RunError("disk is full")
        with pytest.raises(RunError, match="disk is full"):
            pool.wait(0)
    assert scripted.workers[1].joined


def test_crashes_count_until_there_is_progress() -> None:
    crashes = Crashes(2)
    assert crashes.add(1, None, -9) is None
    assert crashes.add(1, 10, -9) is None
    assert crashes.add(2, 10, 1) is None
    assert crashes.add(1, 10, -11) == "2 workers crashed running it at step 10, the last by SIGSEGV"
    assert crashes.add(1, None, 5) == "2 workers crashed running it before its first step, the last by exit code 5"
