"""What TensorBoard shows of runs, asked of a real server over HTTP, with both of its ways to read the files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ml_playground.composition.load import load_experiment
from ml_playground.errors import Stopped
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.manifest import Origin
from ml_playground.runs.train import train, train_in_folder
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware
from ml_playground.training.tracking import Session, Tracker
from tests.integration.events import logged_steps
from tests.workspace import fill_workspace

FOLDER = Path("outputs/tiny")
TINY, WIDE = "tiny/logs/tb", "wide/logs/tb"
TRIAL = "sweeps/tiny-lr/trials/0007/logs/tb/batch_size=4 learning_rate=0.001"
INTERRUPTIONS = 20
START = "1. Herr "
"""A list in Markdown."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A run that was interrupted 20 times, one with other settings, and a trial of a sweep."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("tensorboard")
        patch.chdir(folder)
        fill_workspace(folder)
        config = load_experiment("bundestag_char", folder / "tiny.toml")
        config.train.runtime.max_iters = 40
        config.sample.sample.start = START
        with pytest.MonkeyPatch.context() as interrupting:
            log, calls = Tracker.log, 0

            def interrupt(tracker: Tracker, *arguments: Any) -> None:
                nonlocal calls
                calls += 1
                log(tracker, *arguments)
                if calls % 2:
                    os.kill(os.getpid(), signal.SIGINT)

            interrupting.setattr(Tracker, "log", interrupt)
            for _ in range(INTERRUPTIONS):
                with pytest.raises(Stopped):
                    train(config)
        train(config)
        config = load_experiment("bundestag_char", folder / "tiny.toml")
        config.prepare.tokenizer, config.prepare.vocab_size = "bpe", 300
        config.train.runtime.out_dir, config.train.runtime.eval_interval = Path("outputs/wide"), 6
        train(config)
        config = load_experiment("bundestag_char", folder / "tiny.toml")
        config.train.runtime.out_dir = Path("outputs/sweeps/tiny-lr/trials/0007")
        config.train.runtime.out_dir.mkdir(parents=True)
        origin = Origin({"train.data.batch_size": 4, "train.optim.learning_rate": 1e-3})
        train_in_folder(config, prepare(config), choose_hardware(Device.cpu, Dtype.float32), origin=origin)
        yield folder


def entries(folder: Path) -> list[dict[str, Any]]:
    """What the interrupted run logged."""
    text = (folder / FOLDER / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


class TensorBoard:
    """A server on the folder's runs."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, route: str, body: object = None, **query: str) -> Any:
        url = f"{self._url}data/{route}?{urllib.parse.urlencode(query)}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310  # loopback
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return json.load(response)

    def scalars(self, run: str, tag: str) -> dict[int, float]:
        """Step to value; a step that occurs twice is an error."""
        points = self.get("plugin/scalars/scalars", run=run, tag=tag)
        values = {int(step): float(value) for _, step, value in points}
        assert len(points) == len(values)
        return values


@pytest.fixture(scope="module", params=["true", "false"])
def tensorboard(runs: Path, request: pytest.FixtureRequest) -> Generator[TensorBoard]:
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "outputs", "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--load_fast", request.param, "--samples_per_plugin", "text=100"],
        cwd=runs, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        url = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+/", line)))
        server = TensorBoard(url)
        while len(server.get("runs")) < 3 or not server.get("plugin/scalars/tags").get(TRIAL):
            pass  # it reads the files while it serves
        yield server
    finally:
        process.terminate()
        process.communicate()


def test_it_lists_each_run_once_and_names_a_trial_by_its_values(tensorboard: TensorBoard) -> None:
    assert sorted(tensorboard.get("runs")) == [TRIAL, TINY, WIDE]


def test_curves_have_each_step_once_after_20_interruptions(runs: Path, tensorboard: TensorBoard) -> None:
    lines = entries(runs)
    tags = tensorboard.get("plugin/scalars/tags")[TINY]
    for tag in {key for entry in lines for key in entry} - {"step", "sample"}:
        assert tag in tags
        points = {
            entry["step"]: entry[tag]
            for entry in lines
            if tag in entry and (entry["step"] or not tag.startswith("train/"))
        }
        wanted = {step: pytest.approx(value, rel=1e-6) for step, value in points.items()}
        assert tensorboard.scalars(TINY, tag) == wanted
    assert len(tensorboard.scalars(TINY, "train/loss")) == 40
    assert list(tensorboard.scalars(TINY, "val/loss")) == list(range(0, 41, 4))
    assert tensorboard.scalars(TINY, "train/grad_norm")[1] > 0


def test_curves_are_drawn_over_tokens_too(runs: Path, tensorboard: TensorBoard) -> None:
    for tag, over_tokens in (("val/loss", "val_loss"), ("train/loss", "train_loss")):
        steps = tensorboard.scalars(TINY, tag)
        assert tensorboard.scalars(TINY, f"over_tokens/{over_tokens}") == {64 * k: v for k, v in steps.items()}


def test_train_and_validation_loss_share_a_chart(tensorboard: TensorBoard) -> None:
    layout = tensorboard.get("plugin/custom_scalars/layout")
    charts = {chart["title"]: chart["multiline"]["tag"] for chart in layout["category"][0]["chart"]}
    assert charts["loss"] == ["train/loss", "val/loss"]
    assert len(layout["category"]) == 1
    query = {"run": TINY, "tag": "train/loss|val/loss"}
    found = tensorboard.get("plugin/custom_scalars/scalars", **query)
    assert {tag: len(points) for tag, points in found["tag_to_events"].items()} == {"train/loss": 40, "val/loss": 11}


def test_each_evaluation_has_a_text_which_is_not_rendered_as_markdown(runs: Path, tensorboard: TensorBoard) -> None:
    texts = tensorboard.get("plugin/text/text", run=TINY, tag="sample")
    assert [text["step"] for text in texts] == list(range(0, 41, 4))
    assert all(START in text["text"] and "<li>" not in text["text"] for text in texts)
    samples = [entry["sample"] for entry in entries(runs) if "sample" in entry]
    assert len(samples) == 11
    assert all(sample.startswith(START) and len(sample) > len(START) for sample in samples)


def test_hparams_are_the_settings_that_differ_and_matter_and_the_best_comes_first(tensorboard: TensorBoard) -> None:
    experiment = tensorboard.get("plugin/hparams/experiment", {"experimentName": ""})
    names = [info["name"]["tag"] for info in experiment["metricInfos"]]
    assert names[:2] == ["best/bits_per_byte", "best/val_loss"]
    statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
    columns = [{"metric": info["name"]} for info in experiment["metricInfos"]]
    request = {"experimentName": "", "allowedStatuses": statuses, "colParams": columns, "startIndex": 0, "sliceSize": 9}
    groups = tensorboard.get("plugin/hparams/session_groups", request)["sessionGroups"]
    sessions = {group["sessions"][0]["name"]: group for group in groups}
    assert sorted(sessions) == [TRIAL, TINY, WIDE]
    assert all(len(group["sessions"]) == 1 for group in groups)
    hparams = {name: group["hparams"] for name, group in sessions.items()}
    differ = {key for key in hparams[TINY] if hparams[TINY][key] != hparams[TRIAL].get(key)}
    assert differ == {"train.runtime.max_iters"}
    assert hparams[WIDE].keys() - hparams[TINY].keys() == {"prepare.vocab_size"}, "only bpe reads it"
    assert hparams[WIDE]["prepare.tokenizer"] == "bpe"
    unread = ("muon", "out_dir", "interval", "ckpt", "decay_fraction", "sample.", "sample_")
    assert not [key for key in hparams[TINY] if any(word in key for word in unread)]
    assert hparams[TINY]["model.trained_share"] == 1
    assert hparams[TINY]["model.parameters"] == hparams[TINY]["model.trained_parameters"] > 1000
    values = {value["name"]["tag"]: value["value"] for value in sessions[TINY]["metricValues"]}
    assert values["best/val_loss"] == pytest.approx(min(tensorboard.scalars(TINY, "val/loss").values()))


def test_a_run_that_starts_over_leaves_nothing_of_the_first_start(tmp_path: Path) -> None:
    for index in range(2):
        with Tracker(tmp_path, Session("x", {}), None) as tracker:
            tracker.log(index, {"val/loss": 1.0, "train/tokens": 1000 * index})
    assert logged_steps(tmp_path) == {"val/loss": [1], "train/tokens": [1], "over_tokens/val_loss": [1000]}
