"""``mlp runs``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.durable import lock
from ml_playground.runs.listing import find_runs
from ml_playground.runs.manifest import RunManifest, read_manifest
from ml_playground.runs.overview import print_runs
from ml_playground.runs.train import train
from tests.integration import children
from tests.integration.children import Hook
from tests.integration.conftest import Tiny, last, logged


def test_it_shows_how_far_each_run_is_and_how_good(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    train(tiny())
    train(tiny(train={"runtime": {"out_dir": "outputs/other", "max_iters": 8}}))
    train(tiny(train={"runtime": {"out_dir": "outputs/other", "max_iters": 12}}))
    capsys.readouterr()
    print_runs()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:6] == ["run", "status", "step", "tokens", "best", "val"]
    assert lines[2] == "bundestag_char  (by val loss)"
    tiny_row, other = (line.split() for line in sorted(lines[3:5], reverse=True))
    assert other[:3] == ["other", "finished", "12/12"]
    assert other[-3:] == ["resumed", "at", "8"]
    assert tiny_row[:5] == ["tiny", "finished", "12/12", "768", f"{last(Path('outputs/tiny')).manifest.val_loss:.4f}"]


def test_a_run_records_what_it_took_and_what_it_was_measured_on(tiny: Tiny) -> None:
    train(tiny(train={"runtime": {"max_iters": 8}}))
    first = read_manifest(Path("outputs/tiny"))
    train(tiny())
    manifest = read_manifest(Path("outputs/tiny"))
    assert (manifest.tokens, manifest.seed, manifest.tokenizer, manifest.vocab_size) == (12 * 4 * 16, 1337, "char", 36)
    assert (manifest.block_size, manifest.eval_block_size, manifest.processor != "") == (16, 16, True)
    (meta,) = Path("outputs/data").glob("*/meta.json")
    described = json.loads(meta.read_text(encoding="utf-8"))
    text = Path("input.txt").read_bytes()
    assert manifest.val_text == hashlib.sha256(text[-described["val_bytes"] :]).hexdigest()
    curve = logged(Path("outputs/tiny"))
    assert manifest.best_val_loss == min(entry["val/loss"] for entry in curve if "val/loss" in entry)
    bits = [entry["val/bits_per_byte"] for entry in curve if "val/loss" in entry]
    assert manifest.bits_per_byte == pytest.approx(min(bits))
    assert 0 < first.seconds < manifest.seconds
    assert 0 < first.cpu_seconds < manifest.cpu_seconds
    assert [entry["train/tokens"] for entry in curve if "val/loss" in entry] == [0, 256, 512, 768]
    # Twice for the forward pass and four times for the backward pass, without tables and biases.
    assert 5 < manifest.flops / manifest.tokens / manifest.parameters < 6


def test_a_killed_run_is_interrupted_and_a_living_one_is_running(tiny: Tiny, workspace: Path) -> None:
    tiny()
    hook = Hook("torch:save", 3, signal.SIGKILL)
    assert children.finish(workspace, Path("changed.toml"), hook) == -9
    folder = Path("outputs/tiny")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["status"] == "running"
    assert [run.status for run in find_runs()] == ["interrupted"]
    with lock(folder / ".lock"):
        assert [run.status for run in find_runs()] == ["running"]
    train(tiny())
    assert [run.status for run in find_runs()] == ["finished"]


def test_what_cannot_be_read_is_named_and_left_out(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in {"a": "", "b": "[]", "c": "{}", "d": '{"experiment": 1}'}.items():
        (workspace / "outputs" / name).mkdir(parents=True)
        (workspace / "outputs" / name / "run.json").write_text(content, encoding="utf-8")
    print_runs()
    captured = capsys.readouterr()
    assert captured.err.count("cannot be read; skipped") == 4
    assert captured.out == "no runs in outputs; start one with  mlp-run experiment=NAME\n"


def test_asking_does_not_disturb_a_run_that_starts(tiny: Tiny, workspace: Path) -> None:
    tiny()
    process = children.start(workspace, Path("changed.toml"))
    while process.is_alive():
        find_runs()
    assert process.exitcode == 0, children.log(workspace)


@given(
    st.binary(max_size=60)
    | st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(RunManifest)]),
        st.none() | st.integers() | st.text(max_size=5) | st.floats() | st.lists(st.integers(), max_size=2),
    ).map(lambda table: json.dumps(table).encode())
)
def test_a_record_of_any_bytes_is_listed_or_left_out(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "records" / "run"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_bytes(data)
    print_runs(folder.parent)


def test_a_record_that_was_changed_is_left_out_and_the_others_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: dict[str, dict[str, object]] = {
        "good": {},
        "step": {"step": "x"},
        "best": {"best": "low"},
        "when": {"started": 5},
    }
    for name, change in changes.items():
        folder = tmp_path / name
        folder.mkdir()
        RunManifest(name, "finished", 12, "data", "cpu").write(folder)
        path = folder / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "run.json")
    print_runs(tmp_path)
    captured = capsys.readouterr()
    assert [line.split()[0] for line in captured.out.splitlines() if line] == ["run", "good", "good", "1"]
    assert captured.err.count("run.json: cannot be read; skipped") == 4
