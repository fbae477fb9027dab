"""Failed trials are tried again, and trials of another sweep are taken over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ml_playground.errors import ConfigError
from ml_playground.sweeping.claim import claim_next_trial
from ml_playground.sweeping.points import TAKEN_FROM, retry_of
from ml_playground.sweeping.results import write_results
from ml_playground.sweeping.study import end_trial, open_study
from ml_playground.sweeping.sweep import Sweep, load_sweep
from ml_playground.sweeping.worker import work
from tests.integration.sweeps import begin, run, small, table, write_sweep

COMPLETE, FAIL = TrialState.COMPLETE, TrialState.FAIL
SPACE = {"train": {"data": {"batch_size": [2, 4, 8]}}}


def fail_first(sweep: Sweep) -> None:
    study = begin(sweep)
    with claim_next_trial(sweep, study) as claim:
        assert claim
        end_trial(study, claim.number, FAIL, "ValueError: x")


@pytest.mark.parametrize("baseline", [True, False])
def test_a_failed_trial_is_tried_again_when_the_file_says_so(workspace: Path, baseline: bool) -> None:
    fields = {"n_trials": 2, "baseline": baseline, "pruner": "none", "space": SPACE}
    fail_first(small(**fields))
    trials = run(small(**fields))
    assert [trial.state for trial in trials] == [FAIL, COMPLETE], "by default, it stays failed"
    sweep = small(**fields, retry_failed=1)
    trials = run(sweep)
    assert [trial.state for trial in trials] == [FAIL, COMPLETE, COMPLETE]
    assert [retry_of(trial) for trial in trials] == [None, None, 0]
    assert trials[2].params == trials[0].params
    results = write_results(sweep, open_study(sweep))
    assert (results.baseline is not None) == baseline
    assert results.baseline is None or results.baseline.number == 2


def test_a_trial_is_tried_no_more_often_than_the_file_says(workspace: Path) -> None:
    sweep = small(n_trials=1, retry_failed=2, space=SPACE)
    for _ in range(3):
        fail_first(sweep)
    work(sweep)
    assert [trial.state for trial in open_study(sweep).get_trials()] == [FAIL] * 3


def other(**fields: object) -> Sweep:
    """Another sweep over the same experiment."""
    small(**fields)
    Path("sweeps/small.toml").rename("sweeps/other.toml")
    return load_sweep("other", "bundestag_char", Path("tiny.toml"))


def test_complete_trials_of_another_sweep_are_observed_ranked_and_not_trained_again(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = other(n_trials=3, sampler="grid", pruner="none", space=SPACE)
    before = run(first)
    space = {"train": {"data": {"batch_size": [2, 4, 16]}}}
    fields = {"n_trials": 5, "pruner": "none", "space": space, "warm_start": str(first.folder)}
    trials = run(small(**fields))
    assert "warm start: 2 trials of outputs/sweeps/bundestag_char-other are taken over; 1 have values outside" in (
        capsys.readouterr().err
    )
    assert [trial.params["train.data.batch_size"] for trial in trials] == [2, 4, 16]
    assert [trial.user_attrs.get(TAKEN_FROM) for trial in trials] == [
        *(str(first.trial_folder(number)) for number in (0, 1)), None,
    ]  # fmt: skip
    assert [trial.value for trial in trials[:2]] == [trial.value for trial in before[:2]]
    sweep = small(**fields)
    assert [path.name for path in (sweep.folder / "trials").iterdir()] == ["0002"]
    folders = {row["trial"]: str(row["folder"]) for row in table(sweep, open_study(sweep))}
    assert folders == {**{n: str(first.trial_folder(n)) for n in (0, 1)}, 2: str(sweep.trial_folder(2))}
    shutil.rmtree(first.folder)
    assert len(run(sweep)) == 3, "it is needed once, and taken over once"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"tokens": 512}, r"as tokens differs: 512 there, 768 here"),
        ({"eval_block_size": 8}, r"as eval_block_size differs: 8 there, 16 here"),
        ({"lr_scaling": "sqrt"}, r"as lr_scaling differs: sqrt there, none here"),
        ({"objective": {"train/loss": "minimize"}}, r"as objective differs"),
    ],
)
def test_trials_that_cannot_be_compared_are_refused(workspace: Path, changed: dict[str, object], why: str) -> None:
    first = other(n_trials=1, space=SPACE, **changed)
    begin(first)
    with pytest.raises(ConfigError, match=rf"small.toml:\d+: warm_start: {first.folder}: .*{why}"):
        begin(small(n_trials=1, space=SPACE, warm_start=str(first.folder)))


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("nowhere", "nowhere: has no study.db; name the folder of a sweep"),
        ("n" * 300, "has no study.db"),
        ("a\0b", "has no study.db"),
        ("sweeps", "sweeps: has no study.db"),
    ],
)
def test_a_folder_that_is_no_sweep_is_refused(workspace: Path, folder: str, problem: str) -> None:
    write_sweep(workspace, warm_start=folder)
    with pytest.raises(ConfigError, match=problem):
        begin(load_sweep("small", "bundestag_char", Path("tiny.toml")))


def test_a_sweep_is_not_its_own_source(workspace: Path) -> None:
    sweep = small(n_trials=1)
    begin(sweep)
    with pytest.raises(ConfigError, match="is this sweep's own folder; name that of another sweep"):
        begin(small(n_trials=1, warm_start=str(sweep.folder)))
