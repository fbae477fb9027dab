"""docs/automation.md: its script runs, and its schemas are those of the outputs."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from ml_playground import cli
from ml_playground.commands.verb import verbs
from ml_playground.runs.notes import add_note, archive
from tests.conftest import ROOT
from tests.unit.runs.folders import write_run
from tests.workspace import fill_workspace

PAGE = (ROOT / "docs" / "automation.md").read_text(encoding="utf-8")


def documented(section: str) -> set[str]:
    """The keys in the table of a section."""
    text = PAGE.split(f"### {section}\n")[1].split("\n### ")[0]
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def keys(value: object, known: set[str], path: str = "") -> Iterator[str]:
    """The keys of an output as the page writes them; a table that the page leaves open is one key."""
    if path and f"{path}{{}}" in known:
        yield f"{path}{{}}"
    elif isinstance(value, dict):
        for name, inner in cast("dict[str, object]", value).items():
            yield from keys(inner, known, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        items = cast("list[object]", value)
        if f"{path}[]" in known or not any(isinstance(item, dict) for item in items):
            yield f"{path}[]"
        else:
            for item in items:
                yield from keys(item, known, f"{path}[]")
    else:
        yield path


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_run(Path("outputs/x"), settings={"train.optim.learning_rate": 0.5})
    write_run(Path("outputs/y"), tokenizer="bpe")
    for seed, best in enumerate([2.5, 2.6], start=1):
        write_run(Path(f"outputs/seeds/seed-{seed}"), [3.0, best], seed=seed)
    write_run(Path("outputs/old"))
    archive(Path("outputs/old"), archived=True)
    add_note(Path("outputs/x"), "a note")
    (Path("outputs/x") / "ckpt_last.pt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("section", "command", "run"),
    [
        ("`mlp runs [PATH] --json`", ["runs"], None),
        ("`mlp compare RUN RUN [RUN ...] --json`", ["compare", "x", "y"], None),
        ("`mlp show RUN --json`", ["show", "x"], "run"),
        ("`mlp clean [RUN ...] --json`", ["clean"], None),
        ("`mlp clean --empty-trash --json`", ["clean", "--empty-trash"], None),
    ],
)
def test_every_key_is_documented_and_every_documented_key_exists(
    runs: Path, capsys: pytest.CaptureFixture[str], section: str, command: list[str], run: str | None
) -> None:
    cli.run([*command, "--json"])
    record: dict[str, Any] = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    wanted = documented(section)
    if run:
        assert set(keys(record.pop(run), documented("A run"))) == documented("A run")
        wanted.discard(run)
    nullable = {"verdicts[].interval", "sample", "changed_settings"}
    found = {f"{key}[]" if key in nullable and f"{key}[]" in wanted else key for key in keys(record, wanted)}
    assert found == wanted
    if "runs" in record:
        assert set(keys(record["runs"][0], documented("A run"))) == documented("A run")


def test_every_verb_that_prints_json_has_a_section() -> None:
    for name, verb in verbs.all().items():
        parser = argparse.ArgumentParser()
        verb.arguments(parser)
        assert ("[--json]" in parser.format_usage()) == (f"\n### `mlp {name} " in PAGE), name


def test_a_repetition_is_documented(runs: Path) -> None:
    from ml_playground.runs.json_output import repetition_record
    from ml_playground.runs.repeat import Repetition

    record = repetition_record(Repetition(Path("x"), equal=True, evaluations=1, first_difference=None,
                                          weights_equal=None, changed={}))  # fmt: skip
    wanted = documented("`mlp repeat RUN --json`")
    assert set(keys(json.loads(json.dumps(record)), wanted)) == wanted


@pytest.mark.parametrize("experiments", [2, pytest.param(20, marks=pytest.mark.nightly)])
def test_the_script_drives_experiments_through_json_alone(
    tmp_path: Path, experiments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_workspace(tmp_path)
    folder = tmp_path / "conf" / "experiment"
    folder.mkdir(parents=True)
    text = (
        (tmp_path / "tiny.toml")
        .read_text(encoding="utf-8")
        .replace("[prepare]", '[prepare]\npreparer = "bundestag_char"')
    )
    (folder / "small.toml").write_text(text, encoding="utf-8")
    script = PAGE.split("```python\n")[1].split("```")[0]
    for before, after in (("EXPERIMENTS = 20", f"EXPERIMENTS = {experiments}"), ('"bundestag_char_cpu"', '"small"')):
        assert before in script
        script = script.replace(before, after)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"best: outputs/variant-{experiments - 1:02d}" if experiments == 2 else "best: outputs/")
    assert "'train.optim.learning_rate'" in lines[1]
    assert re.fullmatch(r"moved \d+ bytes to outputs/\.trash/\d{8}-\d{6}", lines[2])
    assert lines[3].startswith("mlp sample small --exp-config outputs/variant-")
    assert len(list((tmp_path / "outputs").glob("variant-*"))) >= experiments - 1
