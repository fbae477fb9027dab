"""What is said where no trial has a score, and files whose names have odd characters."""

from __future__ import annotations

import tomllib
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from ml_playground.errors import RunError, printable
from ml_playground.sweeping.results import tell_results, write_results
from ml_playground.sweeping.study import REASON
from ml_playground.sweeping.sweep import Sweep, load_sweep

DISTRIBUTION = optuna.distributions.FloatDistribution(0.0, 1.0)


def sweep_named(name: str, folder: Path) -> Sweep:
    (folder / "sweeps").mkdir()
    text = "n_trials = 9\n[space]\ntrain.optim.beta1 = { low = 0.0, high = 0.9 }\n"
    (folder / "sweeps" / f"{name}.toml").write_text(text, encoding="utf-8")
    sweep = load_sweep(name, "bundestag_char", Path("tiny.toml"))
    sweep.folder.mkdir(parents=True)
    return sweep


def study_of(*fates: tuple[TrialState, str]) -> optuna.Study:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(1))
    for state, why in fates:
        value = 1.5 if state is TrialState.COMPLETE else None
        study.add_trial(
            create_trial(
                state=state,
                value=value,
                params={"train.optim.beta1": 0.5},
                distributions={"train.optim.beta1": DISTRIBUTION},
                user_attrs={REASON: why} if why else {},
            )
        )
    return study


def test_a_sweep_without_a_score_is_an_error_that_counts_the_reasons(workspace: Path) -> None:
    sweep = sweep_named("s", workspace)
    study = study_of(
        (TrialState.PRUNED, "diverged: the loss or a gradient is not finite"),
        (TrialState.FAIL, "ValueError: x"),
        (TrialState.PRUNED, "diverged: its val_loss is not finite"),
        (TrialState.PRUNED, "out of memory: 8 GB"),
        (TrialState.PRUNED, "by hyperband after 128 tokens"),
        (TrialState.PRUNED, "3 workers crashed running it at step 2, the last by SIGKILL: out of memory?"),
    )
    with pytest.raises(RunError) as error:
        tell_results(write_results(sweep, study))
    assert str(error.value) == (
        f"{sweep.folder}: no trial has a score: 2 diverged, 2 out of memory, 1 pruned, 1 failed;"
        f" see the reasons in {sweep.folder}/leaderboard.csv"
    )
    assert (sweep.folder / "leaderboard.csv").exists()
    assert not (sweep.folder / "best.toml").exists()


def test_trials_that_are_still_at_work_elsewhere_may_yet_have_one(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = sweep_named("s", workspace)
    tell_results(write_results(sweep, study_of((TrialState.FAIL, "ValueError: x"), (TrialState.RUNNING, ""))))
    assert "no trial has a score yet: 1 running, 1 failed\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["lr?", "a#b%20c", "[red]{x}", "größe 'n' \"q\"", "two\nlines", "ü" * 60])
def test_files_have_the_names_that_the_sweep_has(
    workspace: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    sweep = sweep_named(name, workspace)
    tell_results(write_results(sweep, study_of((TrialState.COMPLETE, ""))))
    assert sweep.folder == Path(f"outputs/sweeps/bundestag_char-{name}")
    assert {path.name for path in sweep.folder.iterdir()} == {"leaderboard.csv", "best.toml", "report.html"}
    best = tomllib.loads((sweep.folder / "best.toml").read_text(encoding="utf-8"))
    assert best["train"]["runtime"]["out_dir"] == f"outputs/bundestag_char-{name}-best"
    assert printable(f"report: {sweep.folder}/report.html") in capsys.readouterr().err
