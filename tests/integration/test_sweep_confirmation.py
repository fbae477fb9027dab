"""The best trials and the baseline on fresh seeds."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from ml_playground.runs.comparison import compare
from ml_playground.runs.listing import find_runs
from ml_playground.sweeping.confirmation import pending_runs, read_confirmation
from ml_playground.sweeping.record import results_record
from ml_playground.sweeping.results import read_results, write_results
from ml_playground.sweeping.study import open_study
from ml_playground.sweeping.sweep import Sweep
from ml_playground.sweeping.worker import work
from tests.integration.sweeps import begin, run, small

SPACE = {"train": {"optim": {"learning_rate": [1e-5, 3e-3, 1e-2, 3e-2]}}}


def confirmed_sweep(**fields: object) -> Sweep:
    settings = {"n_trials": 4, "baseline": True, "confirm": {"top": 1, "seeds": 2}, "pruner": "none", "space": SPACE}
    return small(**{**settings, **fields})


def test_the_best_and_the_baseline_are_trained_on_seeds_that_the_search_has_not_used(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = confirmed_sweep()
    trials = run(sweep)
    study = open_study(sweep)
    confirmation = read_confirmation(sweep, study)
    assert confirmation is not None
    best = min(trials[1:], key=lambda trial: trial.value or 9.0)
    assert {each.trial.number for each in confirmation.candidates} == {0, best.number}
    names = [f"{number:04d}/seed-{seed}" for number in sorted({0, best.number}) for seed in (1338, 1339)]
    found = find_runs(sweep.folder / "confirmation")
    assert [each.folder for each in found] == [sweep.folder / "confirmation" / name for name in names]
    assert {each.manifest.seed for each in found} == {1338, 1339}
    assert sweep.budget.base.train.runtime.seed == 1337
    for each in confirmation.candidates:
        scores = [r.best_val_loss for r in found if r.folder.parent.name == f"{each.trial.number:04d}"]
        assert list(each.scores) == scores
    results = write_results(sweep, study)
    assert results.best is not None
    assert results.best.number == confirmation.candidates[0].trial.number
    text = (sweep.folder / "best.toml").read_text(encoding="utf-8")
    assert "on average over 2 fresh seeds." in text.splitlines()[0]
    rate = results.best.params["train.optim.learning_rate"]
    assert tomllib.loads(text)["train"]["optim"]["learning_rate"] == rate
    record = json.loads(json.dumps(results_record(results)))
    assert record["confirmation"]["candidates"][0]["mean"] == pytest.approx(confirmation.candidates[0].mean)
    # The folders are groups of seeds like others.
    first, second = (str(sweep.folder / f"confirmation/{n:04d}") for n in (0, best.number))
    (verdict,) = compare([first, second]).verdicts
    tested = confirmation.differences[best.number]
    assert verdict.tested is not None
    assert (verdict.tested.value, verdict.tested.p) == pytest.approx((tested.value, tested.p))


def test_the_confirmed_mean_ranks_and_not_the_luck_of_the_search(workspace: Path) -> None:
    sweep = confirmed_sweep()
    run(sweep)
    study = open_study(sweep)
    candidates = read_confirmation(sweep, study)
    assert candidates is not None
    for candidate in candidates.candidates:
        score = 1.0 if candidate.trial.number == 0 else 9.0  # fresh seeds reverse the order
        for number, seed in enumerate(sweep.fresh_seeds):
            key = f"confirmation of trial {candidate.trial.number}, seed {seed}"
            study.set_user_attr(key, json.dumps({"score": score + number / 100, "reason": ""}))
    results = read_results(sweep, study)
    assert results.best is not None
    assert results.best.number == 0
    assert results.trials[1].number != 0
    assert "your own values are the best of those confirmed" in results.answer[-1]


def test_a_raised_number_of_trials_is_confirmed_again_and_reuses_what_is_known(workspace: Path) -> None:
    run(confirmed_sweep(n_trials=2))
    before = {each.folder: each.manifest.started for each in find_runs(Path("outputs"))}
    sweep = confirmed_sweep(n_trials=4)
    study = begin(sweep)
    work(sweep)
    assert pending_runs(sweep, study) == []
    after = {each.folder: each.manifest.started for each in find_runs(Path("outputs"))}
    assert before.items() <= after.items()
    confirmation = read_confirmation(sweep, study)
    assert confirmation is not None
    assert confirmation.pending == 0


def test_a_seed_that_diverges_is_told_and_not_ranked(workspace: Path) -> None:
    sweep = confirmed_sweep()
    run(sweep)
    study = open_study(sweep)
    confirmation = read_confirmation(sweep, study)
    assert confirmation is not None
    for candidate in confirmation.candidates:
        key = f"confirmation of trial {candidate.trial.number}, seed 1338"
        study.set_user_attr(key, json.dumps({"score": None, "reason": "diverged: it is not finite"}))
    results = read_results(sweep, study)
    assert results.confirmed is None
    assert results.answer[-1] == "not confirmed: diverged: it is not finite"
