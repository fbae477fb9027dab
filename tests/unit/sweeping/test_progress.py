"""The remaining time follows from the tokens that trials still have."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from ml_playground.runs.manifest import RunManifest
from ml_playground.sweeping.progress import Progress
from ml_playground.sweeping.sweep import Sweep
from tests.integration.sweeps import small

COMPLETE, PRUNED, RUNNING = TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING


def trials_of(*fates: tuple[TrialState, int]) -> list[FrozenTrial]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    for state, tokens in fates:
        value = 1.5 if state is COMPLETE else None
        study.add_trial(create_trial(state=state, value=value, intermediate_values={tokens: 1.5}))
    return study.get_trials()


def run_record(sweep: Sweep, number: int, tokens: int) -> None:
    sweep.trial_folder(number).mkdir(parents=True)
    RunManifest("tiny", "running", 12, "data", "cpu", tokens=tokens).write(sweep.trial_folder(number))


@pytest.fixture
def sweep(workspace: Path) -> Sweep:
    return small(n_trials=8, tokens=1000, eval_tokens=100)


def test_there_is_no_estimate_before_a_token_is_trained(sweep: Sweep) -> None:
    trials = trials_of((COMPLETE, 1000))
    assert Progress(sweep, trials).seconds_left(trials, elapsed=10) is None


def test_pending_trials_are_pruned_as_the_finished_ones_and_running_ones_are_not_forgotten(sweep: Sweep) -> None:
    progress = Progress(sweep, [])
    run_record(sweep, 4, 600)
    trials = trials_of((COMPLETE, 1000), (PRUNED, 100), (PRUNED, 100), (PRUNED, 100), (RUNNING, 600))
    # 1,900 tokens in 19 s. The running one is past where others were pruned: it has 400 left. The three pending ones
    # have 325 each, the mean of those that ended.
    assert progress.seconds_left(trials, elapsed=19) == pytest.approx((400 + 3 * 325) / 100)


def test_without_a_finished_trial_all_are_expected_to_go_to_the_end(sweep: Sweep) -> None:
    progress = Progress(sweep, [])
    run_record(sweep, 0, 500)
    assert progress.seconds_left(trials_of((RUNNING, 500)), elapsed=5) == pytest.approx((500 + 7 * 1000) / 100)


def test_the_longest_trial_counts_when_workers_have_nothing_left(sweep: Sweep) -> None:
    fates = [(COMPLETE, 1000)] * 6
    progress = Progress(sweep, [])
    run_record(sweep, 6, 1000)
    run_record(sweep, 7, 200)
    trials = trials_of(*fates, (RUNNING, 1000), (RUNNING, 200))
    # Of the 720 tokens a second, each of two workers makes half.
    assert progress.seconds_left(trials, elapsed=10) == pytest.approx(800 / 360)


def test_what_was_trained_before_this_start_says_nothing_about_the_rate(sweep: Sweep) -> None:
    before = trials_of((COMPLETE, 1000))
    progress = Progress(sweep, before)
    trials = trials_of((COMPLETE, 1000), (PRUNED, 500))
    assert progress.seconds_left(trials, elapsed=5) == pytest.approx(6 * 750 / 100)
