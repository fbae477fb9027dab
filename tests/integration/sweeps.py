"""Small sweeps, to run in this process or in one that can be killed."""

from __future__ import annotations

import csv
from pathlib import Path

import optuna
import tomli_w
from optuna.trial import FrozenTrial

from ml_playground.experiments.prepare import prepare
from ml_playground.sweeping.leaderboard import leaderboard
from ml_playground.sweeping.ranking import ranked
from ml_playground.sweeping.study import create_study
from ml_playground.sweeping.sweep import Sweep, load_sweep
from ml_playground.sweeping.worker import work

SPACE: dict[str, object] = {
    "train": {
        "data": {"batch_size": [2, 4, 8], "block_size": [8, 16]},
        "optim": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
    }
}


def write_sweep(folder: Path, **fields: object) -> None:
    """``sweeps/small.toml``, and the tiny experiment where the sweep finds it."""
    (folder / "sweeps").mkdir(exist_ok=True)
    text = tomli_w.dumps({"n_trials": 6, "baseline": False, "space": SPACE, **fields})
    (folder / "sweeps" / "small.toml").write_text(text, encoding="utf-8")


def small(**fields: object) -> Sweep:
    """The sweep, over ``tiny.toml`` in the working directory."""
    write_sweep(Path.cwd(), **fields)
    return load_sweep("small", "bundestag_char", Path("tiny.toml"))


def begin(sweep: Sweep) -> optuna.Study:
    """Its study."""
    return create_study(sweep, prepare(sweep.budget.base).meta.fingerprint)


def run(sweep: Sweep) -> list[FrozenTrial]:
    """All trials, run by one worker in this process."""
    study = begin(sweep)
    work(sweep)
    return study.get_trials()


def table(sweep: Sweep, study: optuna.Study) -> list[dict[str, object]]:
    """The leaderboard."""
    return leaderboard(sweep, study, ranked(sweep, study, study.get_trials()))


def read_table(folder: Path) -> list[dict[str, str]]:
    """The leaderboard as it was written."""
    with (folder / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
