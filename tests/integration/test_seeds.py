"""``[train.runtime] seeds``."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from ml_playground.commands.loop import loop
from ml_playground.durable import lock
from ml_playground.errors import ConfigError, RunError, RunFolderError, Stopped, UserError
from ml_playground.runs.groups import load_group
from ml_playground.runs.seeds.configs import with_best_seed
from ml_playground.runs.train import train
from tests.integration.conftest import Tiny, differences, last

FOLDER = Path("outputs/tiny")
SEEDS = {"runtime": {"seeds": [7, 1, 2], "seed_workers": 2}}


def test_each_seed_is_a_run_of_its_own_as_if_it_had_been_trained_alone(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny(train={"runtime": {"seed": 1, "threads": 1, "out_dir": "outputs/alone"}}))
    progress = train(tiny(train=SEEDS))
    assert sorted(path.name for path in FOLDER.iterdir()) == [".lock", "seed-1", "seed-2", "seed-7"]
    assert differences(last(FOLDER / "seed-1").checkpoint, last(Path("outputs/alone")).checkpoint) == []
    assert differences(last(FOLDER / "seed-1").checkpoint, last(FOLDER / "seed-2").checkpoint) != []
    group = load_group("tiny")
    assert [member.run.manifest.seed for member in group.members] == [1, 2, 7]
    assert progress.best_val_loss == group.members[1].run.best_val_loss
    said = capsys.readouterr().err
    assert "seeds: 7, 1, 2, 2 at a time with 1 thread each; each is a run in outputs/tiny/seed-N" in said
    assert "\nseed 2: training in outputs/tiny/seed-2\n" in said
    assert "\n3 seeds: best val loss 3." in said
    started = time.monotonic()
    train(tiny(train=SEEDS))
    assert time.monotonic() - started < 1, "no worker is started for finished runs"
    said = capsys.readouterr().err
    assert said.count(": finished at step 12") == 3
    assert "at a time" not in said


def owners() -> set[int]:
    """Workers that have a seed, or had."""
    pids = set[int]()
    for path in FOLDER.glob("seed-*/.lock"):
        with suppress(OSError, ValueError):
            pids.add(json.loads(path.read_text(encoding="utf-8"))["pid"])
    return pids - {os.getpid()}


def kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for_growth() -> None:
    """Until something is written after a checkpoint."""

    def size() -> int:
        return sum(path.stat().st_size for path in FOLDER.glob("seed-*/metrics.jsonl"))

    before = size()
    while size() == before or not list(FOLDER.glob("seed-*/ckpt_last.json")):
        time.sleep(0.002)


def test_a_killed_worker_is_replaced_and_a_stopped_session_resumed(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime = {**SEEDS["runtime"], "max_iters": 300, "eval_interval": 10}
    train(tiny(train={"runtime": {**runtime, "out_dir": "outputs/whole"}}))

    def interrupt() -> None:
        wait_for_growth()
        kill(owners())
        wait_for_growth()
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(Stopped, match=r"of 3 seeds done, saved; run the same command to resume") as stopped:
        train(tiny(train={"runtime": runtime}))
    thread.join()
    assert stopped.value.exit_code == 130
    capsys.readouterr()
    train(tiny(train={"runtime": runtime}))
    assert ": resuming at step " in capsys.readouterr().err
    for seed in (7, 1, 2):
        ours, whole = (last(folder / f"seed-{seed}").checkpoint for folder in (FOLDER, Path("outputs/whole")))
        assert differences(ours, whole) == []


def test_a_seed_that_kills_its_workers_is_given_up(tiny: Tiny) -> None:
    config = tiny(train={"runtime": {"seeds": [1, 2], "seed_workers": 2, "max_iters": 10**6, "eval_interval": 10**6}})

    over = threading.Event()

    def hunt() -> None:
        while not over.wait(0.01):
            kill(owners())

    thread = threading.Thread(target=hunt)
    thread.start()
    with pytest.raises(RunError, match=r"^outputs/tiny: 2 of 2 seeds failed; seed 1: 3 workers crashed ") as error:
        train(config)
    over.set()
    thread.join()
    assert str(error.value).endswith("the last by SIGKILL: out of memory? Try fewer train.runtime.seed_workers")


def test_a_seed_that_another_process_trains_is_refused(tiny: Tiny) -> None:
    config = tiny(train=SEEDS)
    for path in (FOLDER / "seed-2", FOLDER):
        with lock(path / ".lock"), pytest.raises(RunFolderError, match=f"{path}: process {os.getpid()} on .* is wri"):
            train(config)
    assert not list(FOLDER.glob("*/run.json"))


def test_sampling_uses_the_best_seed(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny(train=SEEDS)
    assert with_best_seed(config) is config, "nothing is trained yet"
    loop(config)
    bests = {path.parent.name: json.loads(path.read_text())["best_val_loss"] for path in FOLDER.glob("*/run.json")}
    best = min(bests, key=lambda name: bests[name])
    assert f"sampling: outputs/tiny/{best}/ckpt_best.pt" in capsys.readouterr().err
    assert list((FOLDER / best / "samples").iterdir())


def test_a_seed_that_fails_does_not_keep_the_others_from_training(tiny: Tiny) -> None:
    with pytest.raises(RunError, match=r"outputs/tiny: 3 of 3 seeds failed; seed 7: .* not finite"):
        train(tiny(train={**SEEDS, "optim": {"learning_rate": 1e30}}))
    assert len(list(FOLDER.glob("*/run.json"))) == 3


def test_what_no_seed_can_be_trained_with_is_said_once(tiny: Tiny) -> None:
    with pytest.raises(UserError, match=r"too few for train\.data\.block_size = 3000"):
        train(tiny(train={**SEEDS, "data": {"block_size": 3000}, "model": {"block_size": 3000}}))


@pytest.mark.parametrize("seeds", [[1, 1], [-1], ["1"], [2**63], 3])
def test_seeds_that_cannot_be_used_are_refused(tiny: Tiny, seeds: object) -> None:
    with pytest.raises(ConfigError, match=r"changed\.toml:\d+: train\.runtime\.seeds: "):
        tiny(train={"runtime": {"seeds": seeds}})
