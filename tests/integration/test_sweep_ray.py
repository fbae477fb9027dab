"""Trials on a Ray cluster: a node that dies gives its trials back, and they continue elsewhere."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from ml_playground.engines.base import Job
from ml_playground.engines.ray import RayConfig, RayEngine
from ml_playground.errors import UserError
from ml_playground.runs.listing import find_runs
from tests.integration import children
from tests.integration.sweeps import read_table, write_sweep
from tests.ray_cluster import Cluster

FOLDER = Path("outputs/sweeps/bundestag_char-small")
TINY = Path("tiny.toml")
SEARCH: dict[str, object] = {"sampler": "random", "pruner": "none", "engine": "ray", "eval_tokens": 256}


def steps() -> dict[str, int]:
    return {run.folder.name: run.manifest.step for run in find_runs(FOLDER) if run.status == "running"}


def wait_for_steps(process: ForkServerProcess, count: int) -> None:
    """Until so many trials have been evaluated, and are running."""
    while sum(step > 0 for step in steps().values()) < count:
        assert process.is_alive(), children.log(Path.cwd())
        time.sleep(0.01)


def lose_a_worker(cluster: Cluster) -> None:
    path = sorted(FOLDER.glob(".lease-*.*"))[-1]
    os.kill(json.loads(path.read_text(encoding="utf-8"))["pid"], signal.SIGKILL)


def lose_a_node(cluster: Cluster) -> None:
    cluster.kill(1)


@pytest.mark.parametrize(
    ("nodes", "n_trials", "tokens"), [(1, 2, 4096), pytest.param(2, 12, 12_288, marks=pytest.mark.nightly)]
)
def test_trials_of_a_lost_worker_or_node_continue(workspace: Path, nodes: int, n_trials: int, tokens: int) -> None:
    with Cluster() as cluster:
        for _ in range(nodes - 1):
            cluster.add()
        table, size = {"address": cluster.address}, {"n_trials": n_trials, "tokens": tokens, "workers": nodes}
        write_sweep(workspace, ray=table, **size, **SEARCH)
        sweep = children.start(workspace, TINY, verb="sweep")
        wait_for_steps(sweep, nodes)
        (lose_a_node if nodes > 1 else lose_a_worker)(cluster)
        sweep.join(240)
        assert sweep.exitcode == 0, children.log(workspace)
        assert {row["status"] for row in read_table(FOLDER)} == {"complete"}
        runs = find_runs(FOLDER)
        assert sorted(run.folder.name for run in runs) == [f"{number:04d}" for number in range(n_trials)]
        assert {run.status for run in runs} == {"finished"}
        resumed = [run.manifest.resumed_from for run in runs if run.manifest.resumed_from is not None]
        assert len(resumed) == 1
        assert resumed[0] > 0
        said = children.log(workspace)
        assert f"ray: {nodes} node" in said
        assert "ray: a worker was lost" in said
        write_sweep(
            workspace, n_trials=n_trials, tokens=tokens, workers=nodes, ray={**table, "num_gpus": 0.5}, **SEARCH
        )
        assert children.finish(workspace, TINY, verb="sweep") == 2
        assert (
            "no node of the Ray cluster has 1 CPUs and 0.5 GPUs for a trial" in children.log(workspace).splitlines()[-1]
        )


def engine(address: str) -> RayEngine:
    return RayEngine(Job("time:sleep", (1,), 1, Path(), UserError, RayConfig(address)))


def test_a_cluster_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        UserError, match=r"\Ano Ray cluster can be reached at '127[^\n]*: [^\n]*ray start --head starts one\Z"
    ):
        engine(f"127.0.0.1:{port}")
    with pytest.raises(UserError, match=r"\Aray.address: 'nowhere' is no address; write HOST:PORT, or auto\Z"):
        engine("nowhere")
    with pytest.raises(UserError, match="ray:// is for programs outside of the cluster"):
        engine("ray://head:10001")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"Ray is not installed; pip install 'ml-playground\[ray\]'"):
        engine("auto")
