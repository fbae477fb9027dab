"""Whatever kills a run, wherever: the same command goes on, and the end is the same, bit for bit."""

from __future__ import annotations

import os
import random
import signal
import time
import tomllib
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import tomli_w

from tests.integration import children
from tests.integration.children import Hook
from tests.integration.conftest import differences, last, logged, sampled, steps
from tests.integration.events import logged_steps
from tests.workspace import TINY, fill_workspace

KILL, TERM, INT, HUP = signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP
CHECKPOINT = "ml_playground.training.checkpoint"
# The best is the one before the last and each evaluation replaces the top one, so that every kind of file changes.
LONG = {"max_iters": 1500, "eval_interval": 20}
RUNTIME: dict[str, object] = {"max_iters": 24, "ckpt_top_k": 1, "ema_decay": 0.9, "best_smoothing_alpha": 0.3}

POINTS = {
    "temporary file opened": ("write:0.0", "before", ""),
    "a quarter written": ("write:0.25", "before", ""),
    "half written": ("write:0.5", "before", ""),
    "three quarters written": ("write:0.75", "before", ""),
    "before the older generation is kept": ("os:link", "before", "ckpt_last.pt"),
    "before fsync": ("os:fsync", "before", ""),
    "after fsync": ("os:fsync", "after", ""),
    "after the rename": ("os:replace", "after", "ckpt_last.pt'"),
    "before the manifest": ("os:replace", "before", "ckpt_last.json'"),
    "between last and best": (f"{CHECKPOINT}:copy", "before", ""),
    "in pruning": (f"{CHECKPOINT}:delete", "before", ""),
    "between both removals of pruning": ("pathlib:Path.unlink", "after", "/ckpt_step"),
    "in an evaluation": ("ml_playground.dataset.batches:Batches.fixed", "before", ""),
    "in a TensorBoard flush": ("tensorboard.summary.writer.record_writer:RecordWriter.write", "after", ""),
}


def config(folder: Path, name: str, **runtime: object) -> Path:
    """The settings of a run in a folder of that name, as a file."""
    tables = tomllib.loads(TINY)
    tables["train"]["model"]["dropout"] = 0.1
    tables["train"]["runtime"].update({**RUNTIME, **runtime, "out_dir": name})
    path = folder / f"{name}.toml"
    path.write_text(tomli_w.dumps(tables), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    fill_workspace(folder)
    assert children.finish(folder, config(folder, "whole"), verb="loop") == 0, children.log(folder)
    return folder / "whole"


@pytest.fixture(scope="session")
def long_whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, of ``LONG`` size."""
    folder = tmp_path_factory.mktemp("long")
    fill_workspace(folder)
    assert children.finish(folder, config(folder, "whole", **LONG)) == 0, children.log(folder)
    return folder / "whole"


def assert_equal_runs(whole: Path, parts: Path) -> None:
    assert differences(last(whole).checkpoint, last(parts).checkpoint) == []
    assert logged(parts) == logged(whole)
    assert steps(parts) == steps(whole)
    assert not list(parts.glob(".ckpt*")), "temporary files are left"


@pytest.mark.parametrize("occurrences", [(5, 1), (4, 2), (3,)], ids=str)
@pytest.mark.parametrize("point", POINTS)
def test_sigkill_at_a_named_point_of_saving(
    workspace: Path, whole: Path, point: str, occurrences: tuple[int, ...]
) -> None:
    where, when, argument = POINTS[point]
    parts = config(workspace, "parts")
    for occurrence in occurrences:
        hook = Hook(where, occurrence, KILL, "after" if when == "after" else "before", argument)
        assert children.finish(workspace, parts, hook) == -KILL, "it was not killed"
    assert children.finish(workspace, parts) == 0, children.log(workspace)
    assert_equal_runs(whole, Path("parts"))


def interrupt_often(folder: Path, parts: Path, signals: list[signal.Signals], seed: int) -> None:
    """Run a child again and again, ended by one signal after the other at random moments, then to its end."""
    moments = random.Random(seed)
    ended = 0
    while ended < len(signals):
        said = children.log(folder) if ended else ""
        process = children.start(folder, parts)
        wait_for_progress(folder / "parts" / "metrics.jsonl", process, moments)
        assert process.pid is not None
        if process.is_alive():
            os.kill(process.pid, signals[ended])
        process.join(60)
        if process.exitcode == 1 and signals[ended] is INT and children.log(folder) == said:
            continue  # Python's own KeyboardInterrupt, before the child could do anything
        assert process.exitcode in (0, -KILL, -TERM, -INT, -HUP, 128 + TERM, 128 + INT, 128 + HUP), children.log(folder)
        assert process.exitcode != 0, "the run was over before it could be interrupted often enough"
        ended += 1
    assert children.finish(folder, parts) == 0, children.log(folder)


def wait_for_progress(path: Path, process: BaseProcess, moments: random.Random) -> None:
    """Mostly until the run has saved once more and a little longer, sometimes only into its start."""
    before = path.stat().st_size if path.exists() else 0
    while moments.random() < 0.999 and process.is_alive() and (path.stat().st_size if path.exists() else 0) == before:
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.03))


@pytest.mark.parametrize(
    "signals", [[KILL] * 20, [TERM] * 20, [KILL, TERM, INT, HUP] * 5], ids=["killed", "stopped", "both"]
)
def test_a_run_interrupted_twenty_times(workspace: Path, long_whole: Path, signals: list[signal.Signals]) -> None:
    interrupt_often(workspace, config(workspace, "parts", **LONG), signals, seed=len(set(signals)))
    assert_equal_runs(long_whole, Path("parts"))
    for tag, seen in logged_steps(Path("parts")).items():
        assert seen == sorted(set(seen)), f"{tag} has a step twice, or goes back"
    assert [path.parent.name for path in Path("parts").rglob("events.out*")] == ["tb"] * len(
        list(Path("parts/logs/tb").iterdir())
    ), "one run"


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_random_kills(workspace: Path, long_whole: Path, seed: int) -> None:
    interrupt_often(workspace, config(workspace, "parts", **LONG), [KILL] * 20, seed=seed)
    assert_equal_runs(long_whole, Path("parts"))


# Phase: the function whose n-th call gets the signal, and whether the run has a state to save by then.
PHASES = {
    "reading the text": ("ml_playground.text.source:TextFile.chunks", 1, False),
    "writing tokens": ("ml_playground.text.char:CharTokenizer.encode", 2, False),
    "building the model": ("ml_playground.models.gpt:GPT.__init__", 1, False),
    "the first evaluation": ("ml_playground.dataset.batches:Batches.fixed", 1, True),
    "a later evaluation": ("ml_playground.dataset.batches:Batches.fixed", 3, True),
    "the last evaluation": ("ml_playground.dataset.batches:Batches.fixed", 7, True),
    "drawing a batch": ("ml_playground.dataset.batches:Batches.random", 7, True),
    "an update": ("ml_playground.training.optimizers.adamw:AdamW.step", 9, True),
    "logging": ("ml_playground.training.tracking:Tracker.log", 11, True),
    "writing a checkpoint": ("torch:save", 3, True),
    "copying the best": (f"{CHECKPOINT}:copy", 2, True),
    "writing run.json": ("ml_playground.runs.manifest:RunManifest.write", 3, True),
    "sampling": ("ml_playground.sampling.generation:sample_next_token", 20, False),
}


@pytest.mark.parametrize("signum", [TERM, INT])
@pytest.mark.parametrize("phase", PHASES)
def test_a_signal_in_any_phase_saves_within_one_step(
    workspace: Path, whole: Path, phase: str, signum: signal.Signals
) -> None:
    where, call, saves = PHASES[phase]
    parts = config(workspace, "parts")
    assert children.finish(workspace, parts, Hook(where, call, signum), verb="loop") == 128 + signum
    errors = children.log(workspace)
    assert "Traceback" not in errors
    if saves:
        reached = sum("train/loss" in line for line in logged(Path("parts")))
        assert f"stopped at step {last(Path('parts')).step:,}, saved" in errors
        assert last(Path("parts")).step == reached, "saved what had been trained, no less and no more"
    assert not list(workspace.rglob("*.partial")), "half a dataset is left"
    assert children.finish(workspace, parts, verb="loop") == 0, children.log(workspace)
    assert_equal_runs(whole, Path("parts"))


@pytest.mark.parametrize("attempt", range(20))
def test_of_two_writers_exactly_one_wins(workspace: Path, attempt: int) -> None:
    path = config(workspace, "parts", max_iters=300, eval_interval=100, seed=attempt)
    first, second = children.start(workspace, path), children.start(workspace, path)
    first.join(60)
    second.join(60)
    assert sorted([first.exitcode, second.exitcode], key=str) == [0, 2], children.log(workspace)
    refusals = [line for line in children.log(workspace).splitlines() if "is writing here" in line]
    assert len(refusals) == 1
    winner = first.pid if first.exitcode == 0 else second.pid
    assert f"process {winner} on " in refusals[0]


def test_the_sample_of_an_interrupted_run_is_the_same(workspace: Path, whole: Path) -> None:
    parts = config(workspace, "parts")
    assert children.finish(workspace, parts, Hook(POINTS["half written"][0], 3, KILL)) == -KILL
    assert children.finish(workspace, parts) == 0
    assert sampled(whole) == sampled(Path("parts"))
