"""Settings that only apply with a choice of another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_playground.sweeping.points import values_of
from ml_playground.sweeping.record import results_record
from ml_playground.sweeping.results import write_results
from ml_playground.sweeping.study import open_study
from ml_playground.sweeping.sweep import Sweep
from tests.integration.sweeps import read_table, run, small

OPTIMIZER, RATE = "train.optim.optimizer", "train.optim.muon_learning_rate"


def conditional(rate: dict[str, object], **fields: object) -> Sweep:
    when = {"train": {"optim": {"optimizer": "muon"}}}
    optim = {"muon_learning_rate": {**rate, "when": when}, "optimizer": ["adamw", "muon"]}
    return small(**{"pruner": "none", "space": {"train": {"data": {"batch_size": [2, 4]}, "optim": optim}}, **fields})


def test_a_grid_has_only_combinations_that_exist(workspace: Path) -> None:
    sweep = conditional({"choices": [0.01, 0.02]}, sampler="grid", n_trials=10, baseline=True)
    assert sweep.n_trials == 6  # twice adamw, twice two rates of muon
    trials = run(sweep)
    # The experiment uses adamw, so its own value of the rate is no part of the point: it is not trained twice.
    assert values_of(trials[0]) == {"train.data.batch_size": 4, OPTIMIZER: "adamw"}
    assert len({str(sorted(values_of(trial).items())) for trial in trials}) == 6
    assert sorted(trial.params.get(RATE, 0.0) for trial in trials) == [0.0, 0.0, 0.01, 0.01, 0.02, 0.02]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_setting_is_drawn_and_shown_only_where_it_applies(workspace: Path, sampler: str) -> None:
    sweep = conditional({"low": 0.005, "high": 0.05, "log": True}, sampler=sampler, n_trials=14)
    trials = run(sweep)
    with_rate = [trial for trial in trials if RATE in trial.params]
    assert 0 < len(with_rate) < len(trials)
    for trial in trials:
        assert (RATE in trial.params) == (trial.params[OPTIMIZER] == "muon")
    results = write_results(sweep, open_study(sweep))
    for row in read_table(sweep.folder):
        assert bool(row[RATE]) == (row[OPTIMIZER] == "muon")
    assert {row[RATE] is None for row in results_record(results)["trials"]} == {True, False}  # type: ignore[attr-defined]
    page = (sweep.folder / "report.html").read_text(encoding="utf-8")
    assert "hyperparameter importances" in page
    assert "None" not in page.partition("<h2>Trials</h2>")[2].partition("<script>")[0]
