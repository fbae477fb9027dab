"""Run folders that version 0.1.0 wrote, as they were: they still resume, sample and list."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest
import torch

from ml_playground.composition.load import load_experiment
from ml_playground.config import ExperimentConfig
from ml_playground.runs.listing import find_runs
from ml_playground.runs.train import train
from ml_playground.sampling.sample import sample
from ml_playground.sweeping.sweep import load_sweep
from tests.integration.conftest import last, logged
from tests.integration.sweeps import begin

RECORDED = Path(__file__).parent / "recorded" / "version-0.1.0.tar.xz"


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs of 8 steps, ``gpt`` (AdamW, averaged weights) and ``qwen3`` (Muon), and a finished sweep."""
    with tarfile.open(RECORDED) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def longer(name: str) -> ExperimentConfig:
    path = Path(f"{name}.toml")
    path.write_text(path.read_text(encoding="utf-8").replace("max_iters = 8", "max_iters = 12"), encoding="utf-8")
    return load_experiment("bundestag_char", path)


@pytest.mark.parametrize("name", ["gpt", "qwen3"])
def test_a_run_resumes_where_it_was(recorded: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    folder = Path("outputs") / name
    before = logged(folder)
    weights = last(folder).checkpoint["state"]["model"]
    train(longer(name))
    errors = capsys.readouterr().err
    assert "already prepared: " in errors, "the text's fingerprint is the same"
    assert f"resuming: {folder}/ckpt_last.pt at step 8\n" in errors
    assert "finished: step 12" in errors
    after = last(folder)
    assert after.step == 12
    assert after.checkpoint["state"]["model"].keys() == weights.keys()
    assert any(not torch.equal(after.checkpoint["state"]["model"][key], weights[key]) for key in weights)
    assert logged(folder)[: len(before)] == before, "its curve continues"


@pytest.mark.parametrize("name", ["gpt", "qwen3"])
def test_a_run_is_sampled(recorded: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    sample(load_experiment("bundestag_char", Path(f"{name}.toml")))
    assert re.search(rf"sampling: outputs/{name}/ckpt_best\.pt, step 8", capsys.readouterr().err)


def test_all_runs_are_listed(recorded: Path) -> None:
    runs = {str(run.folder): run for run in find_runs(Path("outputs"))}
    assert {"outputs/gpt", "outputs/qwen3"} < runs.keys()
    for name in ("gpt", "qwen3"):
        assert runs[f"outputs/{name}"].status == "finished"
        assert runs[f"outputs/{name}"].manifest.best == pytest.approx(
            json.loads((recorded / "outputs" / name / "run.json").read_text())["best"]
        )


def test_a_finished_sweep_is_taken_up_as_it_was(recorded: Path) -> None:
    study = begin(load_sweep("small", "bundestag_char", Path("tiny.toml")))
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE"] * 4
