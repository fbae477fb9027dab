"""The baseline: the experiment's own values as the first trial of a sweep."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from ml_playground.composition.load import load_experiment
from ml_playground.runs.train import train
from ml_playground.sweeping.points import values_of
from ml_playground.sweeping.study import in_memory, open_study
from tests.integration.conftest import differences, last
from tests.integration.sweeps import begin, run, small, table

COMPLETE, PRUNED = TrialState.COMPLETE, TrialState.PRUNED


def test_the_first_trial_is_the_experiment_itself_and_all_are_compared_with_it(workspace: Path) -> None:
    space = {"train": {"data": {"batch_size": [2, 4, 8]}, "optim": {"learning_rate": {"low": 1e-4, "high": 1e-1}}}}
    sweep = small(n_trials=3, baseline=True, pruner="none", space=space)
    trials = run(sweep)
    assert len(trials) == 3
    assert trials[0].params == {"train.data.batch_size": 4, "train.optim.learning_rate": 3e-3}
    alone = load_experiment("bundestag_char", Path("tiny.toml"))
    alone.train.runtime.eval_batch_size, alone.train.runtime.eval_block_size = 4, 16
    train(alone)
    assert differences(last(Path("outputs/tiny")).checkpoint, last(sweep.trial_folder(0)).checkpoint) == []
    rows = {row["trial"]: row for row in table(sweep, open_study(sweep))}
    assert [rows[number]["baseline"] for number in range(3)] == [True, False, False]
    for trial in trials:
        assert rows[trial.number]["gain"] == trials[0].value - trial.value  # type: ignore[operator]  # both are complete


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid", "gp", "nsga2"])
def test_a_baseline_outside_the_space_is_a_trial_but_no_observation(workspace: Path, sampler: str) -> None:
    space = {"train": {"data": {"batch_size": [2, 8]}, "schedule": {"decay": ["linear"]}, "runtime": {"threads": [1]}}}
    sweep = small(n_trials=9, sampler=sampler, baseline=True, pruner="none", tokens=128, eval_tokens=128, space=space)
    trials = run(sweep)
    assert [trial.state for trial in trials] == [COMPLETE] * 3
    assert trials[0].params == {}
    observed = in_memory(open_study(sweep), sampled=True).get_trials()
    assert [trial.params for trial in observed] == [trial.params for trial in trials[1:]], "what a sampler learns from"
    assert values_of(trials[0]) == {
        "train.data.batch_size": 4, "train.schedule.decay": "cosine", "train.runtime.threads": 0,
    }  # fmt: skip
    assert {trial.params["train.data.batch_size"] for trial in trials[1:]} == {2, 8}
    assert load_experiment("bundestag_char", sweep.trial_folder(0) / "config.toml").train.data.batch_size == 4


def test_the_baseline_is_never_pruned_and_others_are_judged_by_it(workspace: Path) -> None:
    text = Path("tiny.toml").read_text(encoding="utf-8").replace("min_lr = 1.5e-4", "min_lr = 0.0")
    Path("tiny.toml").write_text(text.replace("learning_rate = 3e-3", "learning_rate = 1e-9"), encoding="utf-8")
    space = {"train": {"optim": {"learning_rate": [1e-2, 3e-3, 1e-9, 1e-10, 1e-11]}}}
    fields = {"sampler": "grid", "pruner": "successive_halving", "eval_tokens": 256, "space": space}
    run(small(n_trials=1, **fields))  # a better trial comes first, after which the baseline would be pruned
    sweep = small(baseline=True, **fields)
    trials = run(sweep)
    assert sweep.is_baseline(trials[1].params)
    assert trials[1].state is COMPLETE
    assert {trial.state for trial in trials[3:]} == {PRUNED}


def test_a_sweep_of_an_earlier_version_gets_its_baseline_when_it_is_continued(workspace: Path) -> None:
    space = {"train": {"data": {"batch_size": [2, 4, 8]}}}
    begin(small(n_trials=1, sampler="random", space=space))
    run(small(n_trials=1, sampler="random", space=space))
    trials = run(small(n_trials=2, baseline=True, sampler="random", space=space))
    assert len(trials) == 2
    assert 4 in [trial.params["train.data.batch_size"] for trial in trials]
