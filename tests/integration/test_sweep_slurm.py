"""Trials as jobs of submitit's local executor, which starts them as Slurm does."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from ml_playground.runs.listing import find_runs
from tests.integration import children
from tests.integration.sweeps import read_table, write_sweep

FOLDER = Path("outputs/sweeps/bundestag_char-small")
TINY = Path("tiny.toml")


def workers() -> set[int]:
    """Processes of workers that hold a trial."""
    pids: set[int] = set()
    for path in FOLDER.glob(".lease-*.*"):
        with suppress(OSError, ValueError):
            pid = json.loads(path.read_text(encoding="utf-8"))["pid"]
            os.kill(pid, 0)
            pids.add(pid)
    return pids


def wait_until(condition: Callable[[], object], process: ForkServerProcess) -> None:
    while not condition():
        assert process.is_alive(), children.log(Path.cwd())
        time.sleep(0.01)


def step(number: int) -> int:
    runs = [run.manifest.step for run in find_runs(FOLDER) if run.folder.name == f"{number:04d}"]
    return runs[0] if runs else 0


@pytest.mark.parametrize("stopped", [False, pytest.param(True, marks=pytest.mark.nightly)], ids=["", "stopped"])
def test_preempted_and_stopped_jobs_give_their_trial_back(workspace: Path, stopped: bool) -> None:
    write_sweep(
        workspace,
        n_trials=1,
        pruner="none",
        tokens=16_000 if stopped else 6_000,
        eval_tokens=400,
        engine="slurm",
        slurm={"executor": "local"},
    )
    sweep = children.start(workspace, TINY, verb="sweep")
    wait_until(lambda: step(0), sweep)
    (first,) = workers()
    os.kill(first, signal.SIGUSR2)  # as Slurm does before it ends a job
    wait_until(lambda: workers() - {first}, sweep)
    if stopped:
        saved = step(0)
        wait_until(lambda: step(0) > saved, sweep)
        assert sweep.pid
        os.kill(sweep.pid, signal.SIGINT)
        sweep.join(60)
        assert sweep.exitcode == 130, children.log(workspace)
        assert not workers()
        assert [run.status for run in find_runs(FOLDER)] == ["interrupted"]
        sweep = children.start(workspace, TINY, verb="sweep")
    sweep.join(120)
    assert sweep.exitcode == 0, children.log(workspace)
    assert [row["status"] for row in read_table(FOLDER)] == ["complete"]
    (run,) = find_runs(FOLDER)
    assert (run.status, run.manifest.resumed_from is not None) == ("finished", True)
    said = children.log(workspace)
    assert said.count("is submitted") == 2 + stopped
    assert f"slurm: workers are jobs, whose logs are in {FOLDER}/slurm" in said
    assert (FOLDER / "workers.log").read_bytes() == b""
