"""One worker, in this process: what it claims, trains, prunes and writes down."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from ml_playground.composition.load import load_experiment
from ml_playground.engines.base import TaskFailedError
from ml_playground.errors import ConfigError, RunError, RunFolderError
from ml_playground.runs.train import train
from ml_playground.sweeping import storage
from ml_playground.sweeping.claim import claim_next_trial
from ml_playground.sweeping.database import StudyLockedError
from ml_playground.sweeping.points import duplicate_of
from ml_playground.sweeping.study import open_study, reason
from ml_playground.sweeping.worker import work
from tests.integration.conftest import differences, last
from tests.integration.sweeps import begin, run, small, table

COMPLETE, PRUNED, FAIL, RUNNING = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING


def essence(trial: FrozenTrial) -> tuple[object, ...]:
    return trial.number, trial.state, trial.params, trial.values, trial.intermediate_values, reason(trial)


def test_every_trial_is_a_run_folder_that_runs_alone(workspace: Path) -> None:
    sweep = small(n_trials=2, pruner="none")
    trials = run(sweep)
    assert [trial.state for trial in trials] == [COMPLETE, COMPLETE]
    for trial in trials:
        folder = sweep.trial_folder(trial.number)
        assert folder == Path(f"outputs/sweeps/bundestag_char-small/trials/000{trial.number}")
        config = load_experiment("bundestag_char", folder / "config.toml")
        assert config == sweep.trial_config(trial.number, trial.params)
        assert config.train.data.batch_size == trial.params["train.data.batch_size"]
        config.train.runtime.out_dir = Path("alone")
        train(config)
        assert differences(last(Path("alone")).checkpoint, last(folder).checkpoint) == []
        for path in Path("alone").glob("ckpt*"):
            path.unlink()


def test_all_trials_see_the_same_tokens_and_are_scored_on_the_same_text(workspace: Path) -> None:
    sweep = small(n_trials=6, sampler="grid", pruner="none", tokens=800, space={"train": {"data": {
        "batch_size": [2, 4, 8], "block_size": [8, 16]}}})  # fmt: skip
    trials = run(sweep)
    assert [trial.state for trial in trials] == [COMPLETE] * 6
    for trial in trials:
        manifest = json.loads((sweep.trial_folder(trial.number) / "run.json").read_text(encoding="utf-8"))
        assert manifest["tokens"] == pytest.approx(800, abs=64)
        runtime = sweep.trial_config(trial.number, trial.params).train.runtime
        assert (runtime.eval_block_size, runtime.eval_batch_size, runtime.eval_iters) == (8, 4, 2)
        assert list(trial.intermediate_values) == [256, 512, 768]
    # A model that has learned nothing scores the same, whatever it would have trained with.
    first = {json.loads(line)["val/loss"] for trial in trials for line in metrics(sweep.trial_folder(trial.number))[:1]}
    assert max(first) - min(first) < 0.02


def metrics(folder: Path) -> list[str]:
    return (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()


def test_the_score_is_the_lowest_loss_of_the_run(workspace: Path) -> None:
    sweep = small(n_trials=2, pruner="none")
    for trial in run(sweep):
        lines = [json.loads(line) for line in metrics(sweep.trial_folder(trial.number))]
        losses = [line["val/loss"] for line in lines if "val/loss" in line]
        assert trial.value == min(losses)
        assert list(trial.intermediate_values.values()) == losses[1:]


def test_bad_trials_are_pruned_and_say_so(workspace: Path) -> None:
    sweep = small(n_trials=6, pruner="successive_halving", sampler="grid", eval_tokens=256, space={
        "train": {"optim": {"learning_rate": [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]}}})  # fmt: skip
    trials = run(sweep)
    assert [trial.state for trial in trials[:2]] == [COMPLETE, PRUNED]
    pruned = trials[-1]
    assert pruned.state is PRUNED
    assert list(pruned.intermediate_values) == [256]
    assert reason(pruned) == "by successive_halving after 256 tokens"
    manifest = json.loads((sweep.trial_folder(pruned.number) / "run.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["step"]) == ("pruned", 4)


def draw(name: str, **fields: object) -> list[str]:
    """The parameters of four trials, none of which is run."""
    sweep = small(n_trials=4, storage=f"sqlite:///{name}.db", **fields)
    begin(sweep)
    study = open_study(sweep)
    with (
        claim_next_trial(sweep, study),
        claim_next_trial(sweep, study),
        claim_next_trial(sweep, study),
        claim_next_trial(sweep, study) as none_left,
    ):
        assert none_left
        with claim_next_trial(sweep, study) as claim:
            assert claim is None
    shutil.rmtree(sweep.folder / "trials")
    return [json.dumps(trial.params) for trial in study.get_trials()]


def test_the_same_seed_draws_the_same_trials_and_no_two_are_alike(workspace: Path) -> None:
    first = draw("first")
    assert draw("second") == first
    assert len(set(first)) == 4


def test_the_next_seed_draws_other_trials(workspace: Path) -> None:
    assert not {*draw("first", sampler="random", seed=1)} & {*draw("second", sampler="random", seed=2)}


def test_an_interrupted_trial_is_taken_up_before_a_new_one_is_begun(workspace: Path) -> None:
    sweep = small()
    study = begin(sweep)
    with claim_next_trial(sweep, study) as first:
        assert first
    with claim_next_trial(sweep, study) as again, claim_next_trial(sweep, study) as other:
        assert again == first
        assert first.number == 0
        assert other
        assert other.number == 1


def test_a_held_trial_is_left_alone(workspace: Path) -> None:
    sweep = small(n_trials=1)
    study = begin(sweep)
    with claim_next_trial(sweep, study) as first:
        assert first
        with claim_next_trial(sweep, study) as none:
            assert none is None
        work(sweep)  # has nothing to do
    assert study.get_trials()[0].state is RUNNING


def test_a_trial_that_ends_while_another_worker_looks_for_one_is_not_taken_for_an_interrupted_one(
    workspace: Path,
) -> None:
    space = {"train": {"optim": {"learning_rate": {"low": 1e-4, "high": 1e-1}}}}
    sweep = small(n_trials=100, sampler="random", pruner="none", space=space)
    begin(sweep)

    def work_fast() -> list[int]:
        study, numbers = open_study(sweep), list[int]()
        while True:
            with claim_next_trial(sweep, study) as claim:
                if claim is None:
                    return numbers
                numbers.append(claim.number)
                study.tell(claim.number, 1.0)

    with ThreadPoolExecutor() as pool:
        both = [pool.submit(work_fast) for _ in range(2)]
    assert sorted(both[0].result() + both[1].result()) == list(range(100))


def test_n_trials_is_the_total_however_often_one_starts(workspace: Path) -> None:
    assert len(run(small(n_trials=2))) == 2
    assert len(run(small(n_trials=2))) == 2
    assert len(run(small(n_trials=3))) == 3


@pytest.mark.parametrize("sampler", ["random", "tpe", "grid", "nsga2"])
def test_a_space_smaller_than_n_trials_ends_when_every_valid_point_is_tried_once(workspace: Path, sampler: str) -> None:
    space = {"train": {"data": {"batch_size": [2, 4]}, "model": {"n_embd": [8, 12], "n_head": [2, 3]}}}
    trials = run(small(n_trials=50, sampler=sampler, pruner="none", tokens=64, eval_tokens=64, space=space))
    points = {tuple(trial.params.values()) for trial in trials}
    assert points == {(batch, *model) for batch in (2, 4) for model in ((8, 2), (12, 2), (12, 3))}
    assert len(trials) == 6
    assert all(trial.state is COMPLETE for trial in trials)


def test_a_duplicate_of_an_earlier_version_uses_up_no_trial(workspace: Path) -> None:
    sweep = small(n_trials=2, space={"train": {"data": {"batch_size": [2, 4]}}})
    study = begin(sweep)
    with claim_next_trial(sweep, study) as first:
        assert first
        study.tell(first.number, 1.5)
    original = study.get_trials()[0]
    study.add_trial(
        optuna.trial.create_trial(
            value=1.5, params=original.params, distributions=original.distributions, user_attrs={"twin of": 0}
        )
    )
    work(sweep)
    trials = study.get_trials()
    assert [duplicate_of(trial) for trial in trials] == [None, 0, None]
    assert trials[2].params != original.params
    assert {row["duplicate_of"] for row in table(sweep, study)} == {None, 0}


def test_a_grid_has_every_valid_combination_once(workspace: Path) -> None:
    space = {"train": {"model": {"n_embd": [8, 12, 16], "n_head": [2, 3]}, "runtime": {"seed": [1]}}}
    trials = run(small(n_trials=50, sampler="grid", pruner="none", space=space))
    points = [(trial.params["train.model.n_embd"], trial.params["train.model.n_head"]) for trial in trials]
    assert points == [(8, 2), (12, 2), (12, 3), (16, 2)]


def test_draws_that_contradict_themselves_are_not_trials(workspace: Path) -> None:
    space = {"train": {"model": {"n_embd": [8, 12, 16], "n_head": [3, 5]}}}
    trials = run(small(n_trials=3, space=space))
    assert len(trials) == 1
    assert {(t.params["train.model.n_embd"], t.params["train.model.n_head"]) for t in trials} == {(12, 3)}


def test_a_space_without_a_valid_point_is_an_error(workspace: Path) -> None:
    space = {"train": {"model": {"n_embd": [8, 16], "n_head": [3, 5]}}}
    with pytest.raises(RunError, match=r"no valid point found; the last: train\.model\.n_embd: n_embd = "):
        run(small(n_trials=3, space=space))


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"space": {"train": {"data": {"batch_size": [2]}}}}, "space"),
        ({"seed": 2}, "seed"),
        ({"pruner": "none"}, "pruner"),
        ({"tokens": 512}, "tokens"),
        ({"lr_scaling": "sqrt"}, "lr_scaling"),
    ],
)
def test_a_changed_sweep_is_refused(workspace: Path, changed: dict[str, object], key: str) -> None:
    begin(small())
    with pytest.raises(ConfigError, match=f"small.toml: {key} has changed since outputs/sweeps/"):
        begin(small(**changed))
    begin(small(n_trials=9, workers=3, max_failures=1, description="more"))


def test_changed_data_or_a_changed_experiment_is_refused(workspace: Path) -> None:
    begin(small())
    text = Path("tiny.toml").read_text(encoding="utf-8")
    Path("tiny.toml").write_text(text.replace("[train.optim]", "[train.optim]\nbeta1 = 0.5"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"train\.optim\.beta1 has changed .* from 0\.9 to 0\.5"):
        begin(small())
    Path("tiny.toml").write_text(text, encoding="utf-8")
    Path("input.txt").write_text(Path("input.txt").read_text() * 2)
    with pytest.raises(ConfigError, match="the data has changed"):
        begin(small())


def test_trials_whose_study_is_gone_are_not_overwritten(workspace: Path) -> None:
    sweep = small(n_trials=1)
    run(sweep)
    (sweep.folder / "study.db").unlink()
    with pytest.raises(RunFolderError, match="has trials whose study is gone"):
        run(sweep)


@pytest.mark.parametrize(
    ("key", "value"), [("train.data.batch_size", 10**7), ("train.model.n_embd", 2**20)], ids=["estimated", "met"]
)
def test_out_of_memory_is_pruned_with_the_reason(workspace: Path, key: str, value: int) -> None:
    _, table_, name = key.split(".")
    sweep = small(n_trials=2, sampler="grid", tokens=10**9, space={"train": {table_: {name: [value]}}})
    trials = run(sweep)
    assert [trial.state for trial in trials] == [PRUNED]
    assert reason(trials[0]).startswith("out of memory: ")


def test_a_trial_that_diverges_is_pruned_with_the_reason(workspace: Path) -> None:
    space = {"train": {"optim": {"learning_rate": [1e-3, 1e30]}}}
    trials = run(small(n_trials=2, sampler="grid", space=space))
    assert [trial.state for trial in trials] == [COMPLETE, PRUNED]
    assert reason(trials[1]) == "diverged: the loss or a gradient is not finite"


def test_another_error_fails_the_trial_and_is_written_down(workspace: Path) -> None:
    space = {"train": {"data": {"block_size": [8, 6000]}}}
    sweep = small(n_trials=2, sampler="grid", tokens=24_000, eval_tokens=24_000, space=space)
    with pytest.raises(TaskFailedError, match=r"trial 1: .* too few for train\.data\.block_size = 6000"):
        run(sweep)
    trials = open_study(sweep).get_trials()
    assert [trial.state for trial in trials] == [COMPLETE, FAIL]
    assert "too few for train.data.block_size" in reason(trials[1])
    assert table(sweep, open_study(sweep))[-1]["status"] == "fail"
    work(sweep)  # all are done


def test_a_failure_of_the_disk_leaves_the_trial_open(workspace: Path) -> None:
    sweep = small(n_trials=1)
    study = begin(sweep)
    (sweep.trial_folder(0) / "ckpt_last.pt").mkdir(parents=True)
    with pytest.raises(RunError):
        work(sweep)
    assert study.get_trials()[0].state is RUNNING
    (sweep.trial_folder(0) / "ckpt_last.pt").rmdir()
    work(sweep)
    assert study.get_trials()[0].state is COMPLETE


def test_a_trial_that_meets_a_locked_study_is_resumed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_SECONDS_BETWEEN_TRIES", 0.05)
    sweep = small(n_trials=1, tokens=768, eval_tokens=128)
    study = begin(sweep)
    report, calls = optuna.trial.Trial.report, 0
    monkeypatch.setattr(storage, "_SECONDS_TO_WAIT", 0.2)
    with contextlib.closing(sqlite3.connect(sweep.folder / "study.db", isolation_level=None)) as other:

        def locking_report(trial: optuna.Trial, value: float, step: int) -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                other.execute("BEGIN EXCLUSIVE")
            report(trial, value, step)

        monkeypatch.setattr(optuna.trial.Trial, "report", locking_report)
        with pytest.raises(StudyLockedError):
            work(sweep)
        other.execute("ROLLBACK")
        (trial,) = study.get_trials()
        assert trial.state is RUNNING
        assert len(trial.intermediate_values) == 2
        work(sweep)
    (trial,) = study.get_trials()
    assert trial.state is COMPLETE
    assert len(trial.intermediate_values) == 6


def test_two_objectives_have_a_front(workspace: Path) -> None:
    objective = {"val_loss": "minimize", "train/tokens_per_sec": "maximize"}
    sweep = small(n_trials=3, sampler="nsga2", objective=objective)
    trials = run(sweep)
    assert all(trial.state is COMPLETE and len(trial.values) == 2 for trial in trials)
    assert all(trial.values[1] > 100 for trial in trials)
    rows = table(sweep, open_study(sweep))
    front = {trial.number for trial in open_study(sweep).best_trials}
    assert [row["trial"] in front for row in rows] == [row["pareto"] for row in rows]
    assert rows[0]["pareto"]


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "gp", "nsga2"])
def test_every_sampler_draws_from_a_history(workspace: Path, sampler: str) -> None:
    ranges = {
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "beta1": {"low": 0.5, "high": 0.9, "step": 0.1},
    }
    sweep = small(
        n_trials=14, sampler=sampler, pruner="none", tokens=64, eval_tokens=64, space={"train": {"optim": ranges}}
    )
    study = begin(sweep)
    for number in range(12):
        with claim_next_trial(sweep, study) as claim:
            assert claim
            study.tell(number, math.log(float(claim.params["train.optim.learning_rate"])) ** 2)
    with claim_next_trial(sweep, study) as claim:
        assert claim
        assert claim.number == 12


@pytest.mark.parametrize("pruner", ["median", "percentile", "hyperband", "successive_halving", "none"])
def test_every_pruner_runs(workspace: Path, pruner: str) -> None:
    space = {"train": {"optim": {"learning_rate": [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8]}}}
    trials = run(small(n_trials=7, sampler="grid", pruner=pruner, space=space))
    assert trials[0].state is COMPLETE
    assert {trial.state for trial in trials[1:]} <= {COMPLETE, PRUNED}
    assert (PRUNED in {trial.state for trial in trials}) == (pruner != "none")
