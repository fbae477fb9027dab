from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml_playground.errors import RunFolderError, UsageError
from ml_playground.runs.comparison import compare
from ml_playground.runs.comparison_text import print_comparison
from ml_playground.runs.groups import load_group
from ml_playground.runs.json_output import comparison_record, print_json
from ml_playground.runs.statistics import seeds_needed
from tests.unit.runs.folders import write_run

GOOD, BAD = [2.41, 2.43, 2.42, 2.40], [2.51, 2.53, 2.50, 2.54]


@pytest.fixture(autouse=True)
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write_seeds(name: str, bests: list[float], **fields: Any) -> None:
    for seed, best in enumerate(bests, start=1):
        settings = {"train.runtime.seed": seed, **fields.get("settings", {})}
        write_run(Path(f"outputs/{name}/seed-{seed}"), [3.5, best], seed=seed, **{**fields, "settings": settings})


def test_groups_of_seeds_are_told_apart_with_an_interval_and_a_p_value() -> None:
    write_seeds("bad", BAD)
    write_seeds("good", GOOD, settings={"train.optim.learning_rate": 0.01})
    comparison = compare(["bad", "good"])
    (verdict,) = comparison.verdicts
    assert verdict.conclusion == "better"
    assert verdict.difference == pytest.approx(-0.105)
    assert verdict.tested is not None
    assert verdict.tested.low < -0.105 < verdict.tested.high < 0
    assert "outputs/good is better than outputs/bad" in verdict.text
    assert "Welch's t-test" in verdict.text
    assert comparison.settings == {"train.optim.learning_rate": [0.003, 0.01]}
    assert compare(["good", "bad"]).verdicts[0].conclusion == "worse"


def test_noise_is_not_a_difference_and_it_is_said_how_many_seeds_would_tell() -> None:
    write_seeds("one", [2.50, 2.54, 2.46])
    write_seeds("two", [2.52, 2.48, 2.54])
    (verdict,) = compare(["one", "two"]).verdicts
    assert verdict.conclusion == "not distinguishable"
    assert verdict.more_seeds is not None
    assert verdict.more_seeds > 80
    assert f"about {verdict.more_seeds} more seeds each would tell a difference of 0.0133" in verdict.text
    write_seeds("few", [2.52, 2.48])
    (verdict,) = compare(["one", "few"]).verdicts
    assert verdict.tested is not None
    assert verdict.more_seeds is None, "there is no difference to find"
    write_seeds("far", [2.60, 2.50])
    (verdict,) = compare(["one", "far"]).verdicts
    assert verdict.tested is not None
    assert verdict.more_seeds == (seeds_needed(0.05, verdict.tested.noise) or 0) - 2, "of the smaller group"


def test_several_groups_have_their_own_verdicts() -> None:
    write_seeds("first", BAD)
    write_seeds("good", GOOD)
    write_seeds("same", BAD[::-1])
    write_seeds("worse", [value + 0.2 for value in BAD])
    found = compare(["first", "same", "good", "worse"]).verdicts
    assert [verdict.conclusion for verdict in found] == ["not distinguishable", "better", "worse"]
    assert [verdict.tested.value for verdict in found if verdict.tested] == pytest.approx([0, -0.105, 0.2])


def test_the_seed_of_a_single_run_is_a_setting_like_others() -> None:
    for seed, name in enumerate(("x", "y")):
        write_run(Path("outputs") / name, settings={"train.runtime.seed": seed})
    assert compare(["x", "y"]).settings == {"train.runtime.seed": [0, 1]}


def test_a_group_has_a_value_where_all_of_its_runs_have_one() -> None:
    write_run(Path("outputs/x/seed-1"), [3.5, 3.0, 2.0, 1.0], seed=1)
    write_run(Path("outputs/x/seed-2"), [3.5, 2.8], seed=2, settings={"train.runtime.max_iters": 30})
    group = load_group("x")
    assert group.last("step") == 10
    assert group.at("step", 10, "val_loss") == pytest.approx(2.9)
    assert group.at("step", 20, "val_loss") is None


def test_with_one_seed_each_noise_is_unknown_unless_the_experiment_has_measured_it() -> None:
    write_run(Path("outputs/x"), [3.5, 2.5])
    write_run(Path("outputs/y"), [3.5, 2.4])
    (verdict,) = compare(["x", "y"]).verdicts
    assert (verdict.conclusion, verdict.tested) == ("unknown", None)
    assert "[train.runtime] seeds" in verdict.text
    write_seeds("other text", BAD, val_text="another")
    write_seeds("other experiment", BAD, experiment="another")
    for number, best in enumerate(BAD):
        write_run(Path(f"outputs/sweeps/s/trials/000{number}"), [3.5, best], params={"train.data.batch_size": number})
    assert compare(["x", "y"]).verdicts[0].conclusion == "unknown"
    write_seeds("measured", BAD)
    (verdict,) = compare(["x", "y"]).verdicts
    assert verdict.conclusion == "better"
    assert "with the deviation of the seeds of outputs/measured" in verdict.text


def test_one_run_is_compared_with_the_seeds_of_the_other() -> None:
    write_seeds("seeds", BAD)
    write_run(Path("outputs/x"), [3.5, 2.4])
    (verdict,) = compare(["x", "seeds"]).verdicts
    assert verdict.conclusion == "worse"
    assert "the deviation of the seeds of outputs/seeds" in verdict.text
    assert verdict.tested is not None
    assert verdict.tested.noise.degrees == 3


def test_seeds_that_make_no_difference_do_not_measure_noise() -> None:
    write_seeds("one", [2.5, 2.5])
    write_seeds("two", [2.4, 2.4])
    (verdict,) = compare(["one", "two"]).verdicts
    assert verdict.conclusion == "unknown"
    assert "the seeds gave equal results" in verdict.text


def test_curves_are_compared_at_equal_tokens_seconds_and_flops() -> None:
    write_run(Path("outputs/long"), [3.5, 3.0, 2.0, 1.0])
    write_run(Path("outputs/short"), [3.5, 2.9, 2.8])
    comparison = compare(["long", "short"])
    assert comparison.equal == {"step": 20, "tokens": 1280, "seconds": pytest.approx(0.2), "flops": 1.28e9}
    for group, value in zip(comparison.groups, (2.0, 2.8), strict=True):
        at_equal = [group.at(axis, place, "val_loss") for axis, place in comparison.equal.items()]
        assert at_equal == pytest.approx([value] * 4)


def test_losses_on_different_texts_are_not_compared() -> None:
    write_run(Path("outputs/x"))
    write_run(Path("outputs/y"), val_text="another")
    with pytest.raises(UsageError, match=r"^outputs/x and outputs/y cannot be compared: .* on different texts"):
        compare(["x", "y"])


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("tokenizer", {"tokenizer": "bpe", "vocab_size": 512}),
        ("eval_block_size", {"eval_block_size": 32}),
        ("eval_iters", {"settings": {"train.runtime.eval_iters": 4}}),
        ("unfinished", {"status": "failed"}),
        ("hardware", {"processor": "Another CPU"}),
        ("code", {"git": {"commit": "c0ffee", "dirty": True}}),
        ("tokens", {"tokens": 10}),
        ("val_text", {"val_text": "", "data": "another"}),
    ],
)
def test_what_makes_a_comparison_unfair_is_said(
    code: str, fields: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(Path("outputs/x"))
    write_run(Path("outputs/y"), **fields)
    comparison = compare(["x", "y"])
    assert [warning.code for warning in comparison.warnings] == [code]
    print_comparison(comparison)
    said = capsys.readouterr().out
    assert "\nwarning: " in said
    assert ("outputs/x: all of it" in said) == (code == "eval_iters")
    assert comparison.metric == ("bits_per_byte" if code == "tokenizer" else "val_loss")


def test_equal_runs_differ_in_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    write_run(Path("outputs/x"))
    write_run(Path("outputs/y"), settings={"train.optim.muon_learning_rate": 0.5, "train.runtime.out_dir": "outputs/y"})
    comparison = compare(["x", "y"])
    assert (comparison.settings, comparison.warnings) == ({}, [])
    print_comparison(comparison)
    assert "no setting that can affect the result differs" in capsys.readouterr().out


def test_the_json_is_finite_and_complete(capsys: pytest.CaptureFixture[str]) -> None:
    write_run(Path("outputs/x"))
    write_run(Path("outputs/y"), [3.0, float("nan"), 2.0])
    print_json(comparison_record(compare(["x", "y"])))
    record = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert [group["mean_best"] for group in record["groups"]] == [2.6, 2.0]
    assert record["groups"][1]["curves"][0]["step"] == [0, 20]


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["x"], "name two or more different runs"),
        (["x", "x"], "name two or more different runs"),
        (["x", "outputs/x"], "two of the names are the same run"),
        (["x", "nowhere"], "nowhere: no such run; mlp runs  lists them"),
        (["outputs/xx", "x"], r"no such run; did you mean (outputs/)?x\?"),
        (["x", "empty"], r"outputs/empty: has no run, nor runs in seed-1"),
        (["x", "mixed"], r"outputs/mixed: its runs differ in train.optim.learning_rate"),
        (["x", "twice"], r"outputs/twice: several of its runs have the same seed"),
        (["x", "untrained"], r"outputs/untrained: has no validation loss yet"),
    ],
)
def test_mistakes_are_one_line(names: list[str], problem: str) -> None:
    write_run(Path("outputs/x"))
    Path("outputs/empty").mkdir()
    write_run(Path("outputs/mixed/seed-1"))
    write_run(Path("outputs/mixed/seed-2"), settings={"train.optim.learning_rate": 0.5})
    write_run(Path("outputs/twice/seed-1"))
    write_run(Path("outputs/twice/seed-2"))
    write_run(Path("outputs/untrained"), [3.0], best_val_loss=None)
    with pytest.raises((UsageError, RunFolderError), match=problem):
        compare(names)


def test_runs_of_earlier_versions_are_compared_by_what_they_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    write_run(Path("outputs/new"))
    unknown: dict[str, Any] = dict.fromkeys(("tokenizer", "processor", "val_text"), "")
    unknown |= {"vocab_size": 0, "eval_block_size": 0, "flops": 0.0}
    write_run(Path("outputs/old"), best_val_loss=None, best=2.5, bytes_per_token=None, seconds=0.0, **unknown)
    comparison = compare(["new", "old"])
    assert (comparison.metric, comparison.warnings) == ("val_loss", [])
    assert "flops" not in comparison.equal
    print_comparison(comparison)
    assert "2.5000" in capsys.readouterr().out


def test_numbers_that_no_float_holds_are_skipped() -> None:
    write_run(Path("outputs/x"))
    write_run(Path("outputs/y"))
    with Path("outputs/y/metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write(f'{{"step": 99, "val/loss": 1{"0" * 400}}}\n')
    assert compare(["x", "y"]).groups[1].last("step") == 30
