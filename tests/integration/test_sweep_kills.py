"""Whatever kills a sweep, wherever: the same command goes on, and the end is that of one that nothing interrupted."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ml_playground.runs.listing import find_runs
from ml_playground.sweeping.study import open_study
from ml_playground.sweeping.sweep import load_sweep
from tests.integration import children
from tests.integration.children import Hook
from tests.integration.conftest import last
from tests.integration.sweeps import read_table, write_sweep
from tests.workspace import fill_workspace

KILL = signal.SIGKILL
TINY = Path("tiny.toml")
FOLDER = Path("outputs/sweeps/bundestag_char-small")
N_TRIALS = 12
"""More than the ten that the sampler draws at random."""

POINTS = {
    "before a trial enters the study": ("optuna.study:Study.add_trial", "before"),
    "after a trial has entered the study": ("optuna.study:Study.add_trial", "after"),
    "in the transaction that enters it": ("optuna.storages:RDBStorage._set_trial_param_without_commit", "after"),
    "before its run folder is made": ("ml_playground.sweeping.claim:writing", "before"),
    "before its run begins": ("ml_playground.sweeping.trial:train_in_folder", "before"),
    "before a report": ("optuna.trial:Trial.report", "before"),
    "after a report": ("optuna.trial:Trial.report", "after"),
    "between an evaluation and its checkpoint": ("ml_playground.training.saving:CheckpointWriter.save", "before"),
    "before the pruner's decision is written": ("optuna.trial:Trial.set_user_attr", "before"),
    "after the pruner's decision is written": ("optuna.trial:Trial.set_user_attr", "after"),
    "after the pruner has noted the step": ("optuna.trial:Trial.should_prune", "after"),
    "before the outcome": ("optuna.study:Study.tell", "before"),
    "after the outcome": ("optuna.study:Study.tell", "after"),
}
FOLLOW_UPS = {
    "before the state before the decay is kept": ("ml_playground.training.stable:checkpoints.save", "before", ""),
    "after the state before the decay is kept": ("ml_playground.training.stable:checkpoints.save", "after", ""),
    "before a follow-up run is recorded": ("ml_playground.sweeping.trial:record_outcome", "before", ""),
    "after a follow-up run is recorded": ("ml_playground.sweeping.trial:record_outcome", "after", ""),
    "before a trial is forked": ("ml_playground.sweeping.trial:fork_run", "before", ""),
    "between the files of a fork": ("ml_playground.runs.fork:fork_stable", "before", ""),
    "after a trial is forked": ("ml_playground.sweeping.trial:fork_run", "after", ""),
    "in an extension": ("ml_playground.training.saving:CheckpointWriter.save", "before", "extended/"),
}
"""Points that a sweep passes twice or a little more often."""


def outcome() -> list[object]:
    """Everything about the trials and the follow-up runs but the time they took."""
    study = open_study(load_sweep("small", "bundestag_char", TINY))
    trials = study.get_trials()
    essence: list[object] = [
        [trial.number, trial.state.name, trial.params, trial.values, trial.intermediate_values, trial.user_attrs]
        for trial in trials
    ]
    runs = find_runs(FOLDER)
    weights = [
        (run.folder, name, str(tensor.double().numpy().tobytes()))
        for run in runs
        if "extended" in run.folder.parts
        for name, tensor in last(run.folder).checkpoint["state"]["model"].items()
    ]
    return [essence, study.user_attrs, [(run.folder, run.status, run.manifest.step) for run in runs], weights]


def prepare_sweep(folder: Path) -> None:
    pruning = {"pruner": "successive_halving", "tokens": 768, "eval_tokens": 128}
    after = {"confirm": {"top": 1, "seeds": 2}, "extend": {"top": 1, "factor": 2}}
    write_sweep(folder, n_trials=N_TRIALS, baseline=True, max_failures=100, **pruning, **after)
    text = (folder / "tiny.toml").read_text(encoding="utf-8")
    (folder / "tiny.toml").write_text(text.replace('decay = "cosine"', 'decay = "wsd"'), encoding="utf-8")


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[object], list[dict[str, str]]]:
    """A sweep that nothing interrupted: its outcome and its table."""
    folder = tmp_path_factory.mktemp("whole")
    fill_workspace(folder)
    prepare_sweep(folder)
    assert children.finish(folder, TINY, verb="sweep") == 0, children.log(folder)
    here = Path.cwd()
    os.chdir(folder)
    try:
        return outcome(), read_table(FOLDER)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("first", range(0, len(POINTS), 4))
def test_sigkill_at_four_named_points_of_one_sweep(
    workspace: Path, whole: tuple[list[object], list[dict[str, str]]], first: int
) -> None:
    prepare_sweep(workspace)
    for point in list(POINTS)[first : first + 4]:
        kill_at(workspace, point, 2)
    assert children.finish(workspace, TINY, verb="work") == 0, children.log(workspace)
    assert outcome() == whole[0]


def test_sigkill_at_named_points_after_the_search(
    workspace: Path, whole: tuple[list[object], list[dict[str, str]]]
) -> None:
    prepare_sweep(workspace)
    for point in FOLLOW_UPS:
        kill_at(workspace, point, 1)
    assert children.finish(workspace, TINY, verb="work") == 0, children.log(workspace)
    assert outcome() == whole[0]


OCCURRENCES = [
    *((point, occurrence) for point in POINTS for occurrence in (1, 2, 5, 9)),
    *((point, occurrence) for point in FOLLOW_UPS for occurrence in (1, 2)),
]


@pytest.mark.nightly
@pytest.mark.parametrize(("point", "occurrence"), OCCURRENCES)
def test_sigkill_at_a_named_point(
    workspace: Path, whole: tuple[list[object], list[dict[str, str]]], point: str, occurrence: int
) -> None:
    prepare_sweep(workspace)
    kill_at(workspace, point, occurrence)
    assert children.finish(workspace, TINY, verb="work") == 0, children.log(workspace)
    assert outcome() == whole[0]


def kill_at(folder: Path, point: str, occurrence: int) -> None:
    where, when, *argument = POINTS.get(point) or FOLLOW_UPS[point]
    hook = Hook(where, occurrence, KILL, "after" if when == "after" else "before", *argument)
    assert children.finish(folder, TINY, hook, verb="work") == -KILL, f"it was not killed {point}"


def test_sigkill_while_results_are_written(workspace: Path, whole: tuple[list[object], list[dict[str, str]]]) -> None:
    prepare_sweep(workspace)
    for when in ("before", "after"):
        hook = Hook("ml_playground.sweeping.results:write_text", 2, KILL, "before" if when == "before" else "after")
        assert children.finish(workspace, TINY, hook, verb="sweep") == -KILL
    assert children.finish(workspace, TINY, verb="sweep") == 0, children.log(workspace)
    assert outcome() == whole[0]
    assert read_table(FOLDER) == whole[1]


def worker_pids() -> list[int]:
    """Processes that hold a trial, or did."""
    pids: list[int] = []
    for path in FOLDER.glob("trials/*/.lock"):
        with suppress(OSError, ValueError):
            pids.append(json.loads(path.read_text(encoding="utf-8"))["pid"])
    return pids


def kill_parents(folder: Path, kills: int, moments: random.Random) -> None:
    for _ in range(kills):
        process = children.start(folder, TINY, verb="sweep")
        wait_for_growth(process, moments)
        process.kill()
        process.join(60)
        assert process.exitcode == -KILL, "the sweep was over before it could be killed often enough"
        wait_for_death(worker_pids())
    assert children.finish(folder, TINY, verb="sweep") == 0, children.log(folder)


def kill_workers(folder: Path, kills: int, moments: random.Random) -> None:
    process = children.start(folder, TINY, verb="sweep")
    killed: set[int] = set()
    while len(killed) < kills:
        wait_for_growth(process, moments)
        alive = [pid for pid in worker_pids() if pid not in killed]
        assert process.is_alive(), "the sweep was over before its worker could be killed often enough"
        for pid in alive[-1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, KILL)
                killed.add(pid)
    process.join(120)
    assert process.exitcode == 0, children.log(folder)


def wait_for_growth(process: ForkServerProcess, moments: random.Random) -> None:
    """Until something is written, mostly, and a little longer."""
    before = size()
    while moments.random() < 0.999 and process.is_alive() and size() == before:
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.1))


def size() -> int:
    return sum(path.stat().st_size for path in FOLDER.glob("trials/*/metrics.jsonl"))


def wait_for_death(pids: list[int]) -> None:
    for pid in pids:
        while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
            time.sleep(0.001)


@pytest.mark.parametrize("victim", ["parent", "worker"])
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.nightly)])
def test_sigkill_at_random_moments(
    workspace: Path, whole: tuple[list[object], list[dict[str, str]]], victim: str, kills: int
) -> None:
    prepare_sweep(workspace)
    (kill_parents if victim == "parent" else kill_workers)(workspace, kills, random.Random(kills))
    assert outcome() == whole[0]
    assert read_table(FOLDER) == whole[1]


def test_two_workers_share_a_sweep_and_train_nothing_twice(workspace: Path) -> None:
    write_sweep(workspace, n_trials=8, workers=2, pruner="none")
    assert children.finish(workspace, TINY, verb="sweep") == 0, children.log(workspace)
    assert_all_finished_once(8)
    assert len(set(worker_pids())) == 2


def test_two_starts_at_once_share_the_sweep(workspace: Path) -> None:
    write_sweep(workspace, n_trials=8, pruner="none")
    both = [children.start(workspace, TINY, verb="sweep") for _ in range(2)]
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0], children.log(workspace)
    assert_all_finished_once(8)


@pytest.mark.parametrize("killed", [False, True], ids=["left alone", "killed"])
def test_a_second_start_stays_until_the_last_trial_has_ended(workspace: Path, killed: bool) -> None:
    write_sweep(workspace, n_trials=1, pruner="none", tokens=20_000, eval_tokens=128)
    first = children.start(workspace, TINY, verb="sweep")
    while not size():
        assert first.is_alive(), children.log(workspace)
        time.sleep(0.01)
    second = children.start(workspace, TINY, verb="sweep")
    while "resuming: 0 trials are done, 1 were started" not in children.log(workspace):
        assert second.is_alive(), children.log(workspace)
        time.sleep(0.01)
    if killed:  # the second takes its trial over
        first.kill()
    first.join(120)
    second.join(120)
    assert [first.exitcode, second.exitcode] == [-KILL if killed else 0, 0], children.log(workspace)
    assert [row["status"] for row in read_table(FOLDER)] == ["complete"]
    assert children.log(workspace).count("\nbest: trial 0, ") == (1 if killed else 2)
    (run,) = find_runs(FOLDER)
    assert (run.manifest.resumed_from is not None) == killed


def assert_all_finished_once(count: int) -> None:
    trials = open_study(load_sweep("small", "bundestag_char", TINY)).get_trials()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * count
    assert len({str(trial.params) for trial in trials}) == count
    for run in find_runs(FOLDER):
        assert run.status == "finished"
        assert run.manifest.resumed_from is None
    assert (FOLDER / "workers.log").read_bytes() == b""


def test_a_trial_that_kills_its_workers_is_given_up(workspace: Path) -> None:
    write_sweep(workspace, n_trials=2, tokens=10**6, eval_tokens=10**6, max_failures=2, pruner="none")
    process = children.start(workspace, TINY, verb="sweep")
    killed: set[int] = set()
    while len(killed) < 4:  # both trials, twice each
        assert process.is_alive(), children.log(workspace)
        for pid in set(worker_pids()) - killed:
            with suppress(ProcessLookupError):
                os.kill(pid, KILL)
            killed.add(pid)
        time.sleep(0.01)
    process.join(60)
    assert process.exitcode == 1, children.log(workspace)
    assert f"{FOLDER}: no trial has a score: 2 out of memory; see" in children.log(workspace).splitlines()[-1]
    reasons = [row["reason"] for row in read_table(FOLDER)]
    assert len(reasons) == 2
    for reason in reasons:
        assert reason.startswith("2 workers crashed running it ")
        assert reason.endswith(", the last by SIGKILL: out of memory?")


def test_failures_in_a_row_stop_the_sweep_and_the_last_is_told(workspace: Path) -> None:
    space = {"train": {"data": {"block_size": [16, 6000, 6001, 6002, 8]}}}
    write_sweep(workspace, sampler="grid", tokens=24_008, eval_tokens=24_008, max_failures=2, space=space)
    assert children.finish(workspace, TINY, verb="sweep") == 1
    last = children.log(workspace).splitlines()[-1]
    assert last.startswith(f"{FOLDER}: stopped after 2 failed trials in a row; the last, trial 2: ")
    assert "too few for train.data.block_size = 6001" in last
    assert children.finish(workspace, TINY, verb="sweep") == 0, children.log(workspace)  # the failed ones count as done
    assert [row["status"] for row in read_table(FOLDER)] == ["complete", "complete", "fail", "fail", "fail"]


def test_what_no_trial_can_mend_stops_the_sweep_at_once(workspace: Path) -> None:
    write_sweep(workspace)
    text = TINY.read_text(encoding="utf-8").replace('device = "cpu"', 'device = "mps"')
    TINY.write_text(text, encoding="utf-8")
    assert children.finish(workspace, TINY, verb="sweep") == 2
    assert "there is no 'mps' on this machine" in children.log(workspace).splitlines()[-1]
    assert not list(FOLDER.glob("trials/*"))
