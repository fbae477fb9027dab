"""``[train.runtime] seeds``."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from ml_playground.commands.loop import loop
from ml_playground.errors import ConfigError, DivergedError, Stopped
from ml_playground.runs.groups import load_group
from ml_playground.runs.seeds import with_best_seed
from ml_playground.runs.train import train
from ml_playground.training.tracking import Tracker
from tests.integration.conftest import Tiny, differences, last

FOLDER = Path("outputs/tiny")
SEEDS = {"runtime": {"seeds": [7, 1, 2]}}


def test_each_seed_is_a_run_of_its_own_as_if_it_had_been_trained_alone(tiny: Tiny) -> None:
    train(tiny(train={"runtime": {"seed": 1, "out_dir": "outputs/alone"}}))
    train(tiny(train=SEEDS))
    assert sorted(path.name for path in FOLDER.iterdir()) == ["seed-1", "seed-2", "seed-7"]
    assert differences(last(FOLDER / "seed-1").checkpoint, last(Path("outputs/alone")).checkpoint) == []
    assert differences(last(FOLDER / "seed-1").checkpoint, last(FOLDER / "seed-2").checkpoint) != []
    group = load_group("tiny")
    assert [member.run.manifest.seed for member in group.members] == [1, 2, 7]


def test_an_interrupted_seed_is_resumed_and_finished_ones_are_not_trained_again(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = Tracker.log

    def interrupt(tracker: Tracker, step: int, *arguments: Any) -> None:
        log(tracker, step, *arguments)
        if step == 6 and (FOLDER / "seed-1").exists():
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "log", interrupt)
        with pytest.raises(Stopped):
            train(tiny(train=SEEDS))
    capsys.readouterr()
    train(tiny(train=SEEDS))
    said = capsys.readouterr().err
    assert "outputs/tiny/seed-7: finished at step 12" in said
    assert "resuming: outputs/tiny/seed-1/ckpt_last.pt at step 6" in said
    assert "\n3 seeds: best val loss 3." in said


def test_sampling_uses_the_best_seed(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    config = tiny(train=SEEDS)
    assert with_best_seed(config) is config, "nothing is trained yet"
    loop(config)
    bests = {folder.name: json.loads((folder / "run.json").read_text())["best_val_loss"] for folder in FOLDER.iterdir()}
    best = min(bests, key=lambda name: bests[name])
    assert f"sampling: outputs/tiny/{best}/ckpt_best.pt" in capsys.readouterr().err
    assert list((FOLDER / best / "samples").iterdir())


def test_a_seed_that_fails_does_not_keep_the_others_from_training(tiny: Tiny) -> None:
    with pytest.raises(DivergedError):
        train(tiny(train={**SEEDS, "optim": {"learning_rate": 1e30}}))
    assert len(list(FOLDER.glob("*/run.json"))) == 3


@pytest.mark.parametrize("seeds", [[1, 1], [-1], ["1"], [2**63], 3])
def test_seeds_that_cannot_be_used_are_refused(tiny: Tiny, seeds: object) -> None:
    with pytest.raises(ConfigError, match=r"changed\.toml:\d+: train\.runtime\.seeds: "):
        tiny(train={"runtime": {"seeds": seeds}})
