"""A sweep from the command line to its report, as a user sees it."""

# TensorBoard has no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from tests.acceptance.test_automation import documented, keys
from tests.e2e.conftest import start
from tests.integration.sweeps import SPACE, read_table, write_sweep
from tests.workspace import fill_workspace

FOLDER = Path("outputs/sweeps/tiny-small")


def fill(folder: Path) -> None:
    fill_workspace(folder)
    experiments = folder / "conf" / "experiment"
    experiments.mkdir(parents=True)
    text = (folder / "tiny.toml").read_text(encoding="utf-8")
    (experiments / "tiny.toml").write_text(text.replace("[prepare]", '[prepare]\npreparer = "bundestag_char"'), "utf-8")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which both kinds of sweep have run to their end."""
    folder = tmp_path_factory.mktemp("swept")
    fill(folder)
    confirm = {"top": 1, "seeds": 2}
    description = "A <small> search"
    write_sweep(folder, n_trials=8, baseline=True, confirm=confirm, workers=2, pruner="median", description=description)
    small = (folder / "sweeps" / "small.toml").read_text(encoding="utf-8")
    small = small.replace("[confirm]\ntop = 1\nseeds = 2\n", "")
    objective = '\nobjective = { val_loss = "minimize", "train/tokens_per_sec" = "maximize" }\n'
    (folder / "sweeps" / "two.toml").write_text(
        small.replace('pruner = "median"\n', objective, 1).replace("n_trials = 8", "n_trials = 5"), encoding="utf-8"
    )
    for name in ("small", "two"):
        process = start(folder, "cli", "sweep", "tiny", "--sweep", name)
        _, err = process.communicate()
        assert process.returncode == 0, err
        assert "\nsweep folder: outputs/sweeps/tiny-" in err
        assert "\nreport: outputs/sweeps/tiny-" in err
        assert re.search(r"\ntrial 0: (batch_size = \d, block_size = \d+|val_loss)", err)
    return folder


def rendered(chromium: str, page: Path, profile: Path) -> str:
    """The page after its scripts have run, in a browser that reaches no network."""
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
        "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=20000", "--dump-dom", page.resolve().as_uri(),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("small", ["Learning curves", "val_loss: history", "hyperparameter importances", "parallel coordinate"]),
        ("two", ["Pareto front", "val_loss: slice", "train/tokens_per_sec: parallel coordinate"]),
    ],
)
def test_the_report_shows_its_plots_in_a_browser(
    swept: Path, chromium: str, tmp_path: Path, name: str, titles: list[str]
) -> None:
    page = swept / f"outputs/sweeps/tiny-{name}/report.html"
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page.read_text(encoding="utf-8")), "it is one file"
    dom = rendered(chromium, page, tmp_path / "profile")
    plots = len(re.findall(r'class="plot js-plotly-plot"', dom))
    assert plots == dom.count("<h2>") - 1, "a plot was not drawn"
    assert plots >= 5
    assert "<th>your values</th>" in dom[: dom.index("<h2>")], "it opens with the answer"
    assert f"mlp train tiny --exp-config outputs/sweeps/tiny-{name}/best.toml" in dom
    for title in titles:
        assert title in dom
    assert dom.count("<tr>") >= len(read_table(page.parent)) + 1


def test_the_description_cannot_inject_markup(swept: Path) -> None:
    text = (swept / FOLDER / "report.html").read_text(encoding="utf-8")
    assert "A &lt;small&gt; search" in text


def test_the_results_are_printed_as_documented_json(swept: Path) -> None:
    process = start(swept, "cli", "sweep", "tiny", "--sweep", "small", "--json")
    out, err = process.communicate()
    assert process.returncode == 0, err
    record = json.loads(out, parse_constant=pytest.fail)
    extended = "extension."  # by no trial of this sweep
    documented_keys = documented("`mlp sweep EXPERIMENT --sweep NAME --json`")
    wanted = {key for key in documented_keys if not key.startswith(extended)} | {"extension"}
    assert record["extension"] is None
    assert {key.replace("interval[]", "interval") for key in keys(record, wanted)} == {
        key.replace("interval[]", "interval") for key in wanted
    }
    rows = read_table(swept / FOLDER)
    assert [str(row["trial"]) for row in record["trials"]] == [row["trial"] for row in rows]
    assert record["confirmation"]["pending"] == 0
    assert "confirmed on 2 fresh seeds" in " ".join(record["answer"])


def test_the_best_trial_can_be_trained_again(swept: Path) -> None:
    best = swept / FOLDER / "best.toml"
    rows = read_table(swept / FOLDER)
    config = tomllib.loads(best.read_text(encoding="utf-8"))
    assert config["train"]["data"]["batch_size"] == int(rows[0]["train.data.batch_size"])
    process = start(swept, "cli", "train", "tiny", "--exp-config", str(best.relative_to(swept)))
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert f"best val loss {float(rows[0]['val_loss']):.4f}" in err.splitlines()[-1]
    assert (swept / "outputs/tiny-small-best/ckpt_best.pt").exists()


def test_tensorboard_lists_all_trials_with_their_parameters_and_scores(swept: Path) -> None:
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(swept / FOLDER / "trials"))
    multiplexer.Reload()
    trained = [row for row in read_table(swept / FOLDER) if not row["duplicate_of"]]
    sessions: dict[str, dict[str, float]] = {}
    for run in multiplexer.Runs():
        content = multiplexer.SummaryMetadata(run, metadata.SESSION_START_INFO_TAG).plugin_data.content
        session = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        values = {key: session.hparams[key].number_value for key in trained[0] if key.startswith("train.")}
        sessions[session.group_name] = {
            **values,
            "val/loss": min(e.value for e in multiplexer.Scalars(run, "val/loss")),
        }
    assert sorted(sessions) == sorted(row["folder"] for row in trained)
    for row in trained:
        session = sessions[row["folder"]]
        assert all(session[key] == pytest.approx(float(row[key])) for key in row if key.startswith("train."))
        assert not row["val_loss"] or session["val/loss"] == pytest.approx(float(row["val_loss"]))


@pytest.fixture
def dashboard(swept: Path) -> Generator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"sqlite:///{swept / FOLDER / 'study.db'}"
    command = [str(Path(sys.executable).with_name("optuna-dashboard")), url, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait()


def test_optuna_dashboard_opens_the_study(dashboard: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{dashboard}/api/studies") as answer:  # noqa: S310  # our own server
                assert b'"tiny-small"' in answer.read()
            return
        except OSError:
            assert time.monotonic() < deadline, "the dashboard does not start"
            time.sleep(0.1)


def logged(trials: Path) -> int:
    return sum(path.stat().st_size for path in trials.glob("*/metrics.jsonl"))


def test_a_signal_stops_all_workers_after_saving_and_the_same_command_resumes(tmp_path: Path) -> None:
    fill(tmp_path)
    experiment = tmp_path / "conf/experiment/tiny.toml"
    experiment.write_text(experiment.read_text(encoding="utf-8").replace("max_iters = 12", "max_iters = 120"), "utf-8")
    write_sweep(tmp_path, n_trials=4, workers=2, pruner="none", space=SPACE)
    trials = tmp_path / FOLDER / "trials"
    for signum, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        before = logged(trials)
        process = start(tmp_path, "cli", "sweep", "tiny", "--sweep", "small")
        while process.poll() is None and logged(trials) < before + 2_000:
            time.sleep(0.01)
        os.kill(process.pid, signum)
        _, err = process.communicate()
        assert process.returncode == code, err
        last = err.splitlines()[-1]
        assert len(read_table(tmp_path / FOLDER)) >= 1
        assert (tmp_path / FOLDER / "report.html").exists()
        assert re.fullmatch(r"stopped with [0-3] of 4 trials done; run the same command to resume", last)
    again = start(tmp_path, "cli", "sweep", "tiny", "--sweep", "small")
    _, err = again.communicate()
    assert again.returncode == 0, err
    assert "\nresuming: " in err
    assert any("resuming: " in path.read_text(encoding="utf-8") for path in trials.glob("*/console.log"))
    assert [row["status"] for row in read_table(tmp_path / FOLDER)] == ["complete"] * 4
