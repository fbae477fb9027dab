"""An extended trial equals one that was budgeted so long from the start, bit for bit, and is what the sweep answers."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
import tomli_w

from ml_playground.composition.load import load_experiment
from ml_playground.runs.manifest import find_manifest
from ml_playground.runs.repeat import repeat
from ml_playground.runs.train import train
from ml_playground.sweeping.extension import pending_follow_ups
from ml_playground.sweeping.record import results_record
from ml_playground.sweeping.results import Results, write_results
from ml_playground.sweeping.study import open_study
from ml_playground.sweeping.sweep import Sweep
from ml_playground.sweeping.worker import work
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import BEST, LAST
from tests.integration.conftest import differences, logged, steps
from tests.integration.events import logged_steps
from tests.integration.sweeps import begin, run, small

SPACE = {"train": {"optim": {"learning_rate": [1e-5, 3e-3, 1e-2]}}}
WSD: dict[str, object] = {"decay": "wsd", "decay_fraction": 0.4, "warmup_iters": 2, "min_lr": 1e-6}
CONSTANT: dict[str, object] = {"decay": "constant", "warmup_iters": 2, "min_lr": 0.0}


def extensible(schedule: dict[str, object] = WSD, **runtime: object) -> None:
    """Give the tiny experiment another schedule, and settings of its runtime."""
    tables = tomllib.loads(Path("tiny.toml").read_text(encoding="utf-8"))
    tables["train"]["schedule"] = schedule
    tables["train"]["runtime"].update(threads=1, **runtime)
    Path("tiny.toml").write_text(tomli_w.dumps(tables), encoding="utf-8")


def extended_sweep(**fields: object) -> Sweep:
    settings = {"n_trials": 3, "baseline": True, "extend": {"top": 1, "factor": 3}, "pruner": "none", "space": SPACE}
    return small(**{**settings, **fields})


def results_of(sweep: Sweep) -> Results:
    return write_results(sweep, open_study(sweep))


def extended_folders(sweep: Sweep) -> list[Path]:
    return sorted((sweep.folder / "extended" / f"{sweep.config.extend['factor']}x").iterdir())


def from_the_start(folder: Path) -> Path:
    """The run of a folder's settings, trained in one piece in another folder."""
    config = load_experiment("bundestag_char", folder / "config.toml")
    config.train.runtime.out_dir = whole = Path("whole") / folder.name
    train(config)
    return whole


def assert_equal_runs(folder: Path, whole: Path) -> None:
    for stem in (LAST, BEST):
        one, other = (checkpoints.find(each, stem) for each in (folder, whole))
        assert one is not None
        assert other is not None
        assert differences(one.checkpoint["state"], other.checkpoint["state"]) == []
    assert steps(folder) == steps(whole)
    assert logged(folder) == logged(whole)


@pytest.mark.parametrize(
    ("schedule", "runtime"),
    [
        (WSD, {"ema_decay": 0.9, "ckpt_top_k": 2}),
        ({**WSD, "decay_fraction": 0.33}, {"eval_interval": 5, "best_smoothing_alpha": 0.5}),
        (CONSTANT, {"eval_interval": 5, "ckpt_metric": "train_loss"}),
    ],
    ids=["wsd", "an evaluation after the start of the decay", "constant"],
)
def test_an_extended_trial_equals_one_budgeted_so_long_from_the_start(
    workspace: Path, schedule: dict[str, object], runtime: dict[str, object]
) -> None:
    extensible(schedule, **runtime)
    sweep = extended_sweep()
    run(sweep)
    results = results_of(sweep)
    assert results.extension is not None
    numbers = [0, min(results.study.trials[1:], key=lambda trial: trial.value or 9.0).number]
    folders = extended_folders(sweep)
    assert [int(folder.name) for folder in folders] == sorted(numbers)
    for folder in folders:
        manifest = find_manifest(folder)
        assert manifest is not None
        assert (manifest.status, manifest.step, manifest.max_iters) == ("finished", 36, 36)
        stable = 12 if schedule is CONSTANT else 7 if runtime.get("ckpt_top_k") else 8
        assert manifest.resumed_from == stable  # and it did not train these steps again
        assert_equal_runs(folder, from_the_start(folder))
        assert logged_steps(folder)["train/loss"] == list(range(1, 37))
    assert repeat(str(folders[0])).equal


def test_the_extended_best_is_the_answer(workspace: Path) -> None:
    extensible()
    sweep = extended_sweep(confirm={"top": 1, "seeds": 2})
    run(sweep)
    results = results_of(sweep)
    extension = results.extension
    assert extension is not None
    assert extension.best is not None
    assert results.confirmation is not None
    assert results.confirmation.pending == 0  # comes first, as it decides which trials are extended
    trial, score = extension.best
    assert results.best is not None
    assert results.best.number == trial.number
    folder = sweep.folder / "extended" / "3x" / f"{trial.number:04d}"
    manifest = find_manifest(folder)
    assert manifest is not None
    assert score == manifest.best_val_loss
    assert score < trial.values[0]
    text = (sweep.folder / "best.toml").read_text(encoding="utf-8")
    assert f"{score:.4f} with 3 times the tokens, as here; trained in {folder}." in text.splitlines()[0]
    assert tomllib.loads(text)["train"]["runtime"]["max_iters"] == 36
    record = json.loads(json.dumps(results_record(results)))
    assert record["extension"]["runs"][0]["folder"] == str(folder)
    assert record["extension"]["runs"][0]["gain"] == pytest.approx((extension.baseline or 0.0) - score)
    assert record["trials"][0]["extended"] == score
    assert any(line.startswith("extended to 3 times the tokens, 2.3 k: trial") for line in results.answer)
    assert "val_loss with 3 times the tokens" in (sweep.folder / "report.html").read_text(encoding="utf-8")


def test_an_extension_can_be_added_and_raised_after_the_search(workspace: Path) -> None:
    extensible()
    run(small(n_trials=3, baseline=True, pruner="none", space=SPACE))
    sweep = extended_sweep(extend={"top": 1, "factor": 2})  # no trial has kept its state before the decay
    begin(sweep)
    work(sweep)
    for folder in extended_folders(sweep):
        manifest = find_manifest(folder)
        assert manifest is not None
        assert (manifest.resumed_from, manifest.step) == (None, 24)
    sweep = extended_sweep(extend={"top": 1, "factor": 4})
    begin(sweep)
    work(sweep)
    for folder in extended_folders(sweep):
        manifest = find_manifest(folder)
        assert manifest is not None
        assert (manifest.resumed_from, manifest.step) == (14, 48)  # from the stable phase of 24 steps
        assert_equal_runs(folder, from_the_start(folder))
    assert pending_follow_ups(sweep, open_study(sweep)) == []


def test_a_damaged_checkpoint_of_the_stable_phase_only_costs_time(workspace: Path) -> None:
    extensible()
    run(extended_sweep(n_trials=1, extend={"top": 1, "factor": 2}))
    sweep = extended_sweep(n_trials=1)
    for path in sweep.folder.glob("extended/2x/0000/stable/ckpt_last.pt"):
        path.write_bytes(path.read_bytes()[:-100])
    begin(sweep)
    work(sweep)
    (folder,) = extended_folders(sweep)
    manifest = find_manifest(folder)
    assert manifest is not None
    assert (manifest.resumed_from, manifest.step) == (None, 36)
    assert "does not match its manifest" in (folder / "console.log").read_text(encoding="utf-8")
    assert_equal_runs(folder, from_the_start(folder))
