"""The two commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ml_playground.commands.verb import verbs
from ml_playground.runs.manifest import RunManifest
from tests.e2e.conftest import Invoke, start


def test_without_arguments_mlp_run_lists_the_experiments_and_the_sweeps(invoke: Invoke, tiny: Path) -> None:
    result = invoke("mlp-run")
    assert result.code == 0
    lines = result.out.splitlines()
    assert any(line.split() == ["tiny", "A", "test"] for line in lines)
    assert any(line.split()[:3] == ["bundestag_char", "German", "plenary"] for line in lines)
    assert any(line.split()[:4] == ["batching", "what", "an", "update"] for line in lines)


def test_help_has_examples(invoke: Invoke) -> None:
    for command, arguments in [("mlp-run", ["--help"]), ("mlp", ["--help"]), ("mlp", ["train", "--help"]), ("mlp", [])]:
        result = invoke(command, *arguments)
        assert (result.code, result.err) == (0, "")
        assert "examples:" in result.out
        assert "bundestag_char" in result.out


def test_runs_are_listed_without_torch_or_tensorboard(workspace: Path) -> None:
    (workspace / "outputs/tiny").mkdir(parents=True)
    RunManifest("tiny", "finished", 12, "data", "cpu").write(workspace / "outputs/tiny")
    program = (
        "import sys; from ml_playground import cli\n"
        "cli.run(['runs'])\n"
        "heavy = {'torch', 'hydra', 'omegaconf', 'optuna', 'numpy', 'tensorboard', 'scipy', 'rich.table'}\n"
        "assert not heavy & set(sys.modules), sorted(sys.modules)\n"
    )
    listed = subprocess.run([sys.executable, "-c", program], cwd=workspace, check=True, capture_output=True, text=True)
    assert "tiny  finished" in listed.stdout


@pytest.mark.parametrize("module", ["run", "cli"])
@pytest.mark.parametrize("argument", ["--help", None])
def test_help_and_listing_import_neither_torch_nor_hydra(workspace: Path, module: str, argument: str | None) -> None:
    program = (
        f"import sys; from ml_playground import {module}\n"
        f"sys.argv = ['x', *{[argument] if argument else []}]\n"
        f"try: {module}.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'hydra', 'omegaconf', 'optuna', 'numpy', 'rich'}\n"
        "assert not heavy & set(sys.modules), sorted(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=workspace, check=True, stdout=subprocess.DEVNULL)


def test_mlp_run_prepares_trains_and_samples_and_does_no_work_twice(tiny: Path) -> None:
    first = start(tiny, "cli", "loop", "tiny")
    out, err = first.communicate()
    assert first.returncode == 0, err
    for line in ("prepared: ", "training: ", "run folder: outputs/tiny", "finished: step 12", "sampling: ", "saved: "):
        assert f"\n{line}" in err
    assert len(out.strip()) > 20
    again = subprocess.run(
        [sys.executable, "-c", "from ml_playground.run import main; main()", "experiment=tiny"],
        cwd=tiny, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "already prepared: " in again.stderr
    assert "outputs/tiny: finished at step 12" in again.stderr
    assert "\ntraining: " not in again.stderr
    assert again.stdout == out


@pytest.mark.parametrize("verb", verbs.all())
def test_every_verb_runs(invoke: Invoke, tiny: Path, verb: str) -> None:
    if verb in ("sample", "export"):
        assert invoke("mlp", "train", "tiny").code == 0
    if verb == "sweep":
        (tiny / "sweeps").mkdir()
        text = "n_trials = 2\n[space]\ntrain.data.batch_size = [2, 4]\n"
        (tiny / "sweeps" / "small.toml").write_text(text, encoding="utf-8")
    if verb in ("show", "note", "repeat"):
        assert invoke("mlp", "train", "tiny").code == 0
    if verb == "compare":
        for name in ("before", "tiny"):
            (tiny / "outputs" / name).mkdir(parents=True)
            RunManifest(name, "finished", 12, "data", "cpu", best_val_loss=2.5).write(tiny / "outputs" / name)
    arguments = {
        "compare": ["before", "tiny"],
        "note": ["tiny", "good"],
        "clean": [],
        "runs": [],
        "export": ["tiny", "--to", "hf"],
        "sweep": ["tiny", "--sweep", "small"],
    }.get(verb, ["tiny"])
    result = invoke("mlp", verb, *arguments)
    assert result.code == 0, result.err


@pytest.mark.parametrize(
    ("token", "fix"),
    [
        ("train.optim.learning_rate=1", "write 'learning_rate = ...' under [train.optim] in conf/experiment/NAME.toml"),
        ("+train.optim.x=1", "write 'x = ...' under [train.optim]"),
        ("~train.optim.beta1=1", "write 'beta1 = ...' under [train.optim]"),
        ("+x=1", "only experiment=NAME and sweep=NAME can be given here"),
        ("seed=1", "only experiment=NAME and sweep=NAME can be given here"),
        ("--multirun", "there are no options but --help"),
        ("-m", "there are no options but --help"),
        ("--config-name=x", "there are no options but --help"),
        ("bundestag_char", "did you mean  mlp-run experiment=bundestag_char"),
        ("--sweep=batching", "there are no options but --help"),
        ("experiment=bundestag_char", "name one experiment"),
    ],
)
def test_overrides_are_refused_with_the_place_to_write_them(
    invoke: Invoke, workspace: Path, token: str, fix: str
) -> None:
    result = invoke("mlp-run", "experiment=bundestag_char", token)
    assert result.code == 2
    assert token in result.err
    assert fix in result.err
    assert result.err.count("\n") == 1
    assert not (workspace / "outputs").exists()


@pytest.mark.parametrize("name", ["bundestag_chat", "../bundestag_char", "a,b", "a b", "", "${x}", "Ä"])
def test_unknown_experiments_are_refused(invoke: Invoke, workspace: Path, name: str) -> None:
    result = invoke("mlp-run", f"experiment={name}")
    assert result.code == 2
    assert result.err.startswith(f"unknown experiment '{name}'; ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["trian", "bundestag_char"], ["train", "bundestag_char", "x=1"], ["train", "a", "--lr", "1"]],
)
def test_mlp_refuses_what_it_does_not_know_in_one_line(invoke: Invoke, workspace: Path, arguments: list[str]) -> None:
    result = invoke("mlp", *arguments)
    assert result.code == 2
    assert result.err.startswith("mlp")
    assert result.err.count("\n") == 1


def test_a_signal_saves_and_the_same_command_resumes(tiny: Path) -> None:
    path = tiny / "conf/experiment/tiny.toml"
    path.write_text(path.read_text(encoding="utf-8").replace("max_iters = 12", "max_iters = 100000"), encoding="utf-8")
    metrics = tiny / "outputs/tiny/metrics.jsonl"
    step = 0
    for signum, code in ((signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)):
        before = metrics.stat().st_size if metrics.exists() else 0
        process = start(tiny, "cli", "train", "tiny")
        while process.poll() is None and (metrics.stat().st_size if metrics.exists() else 0) <= before:
            time.sleep(0.01)
        process.send_signal(signum)
        _, err = process.communicate()
        assert process.returncode == code, err
        assert not step or f"resuming: outputs/tiny/ckpt_last.pt at step {step:,}\n" in err
        last = err.strip().splitlines()[-1]
        assert last.startswith("stopped at step ")
        assert last.endswith(", saved; run the same command to resume")
        step = int(last.split()[3].rstrip(",").replace(",", ""))
    path.write_text(path.read_text(encoding="utf-8").replace("= 100000", f"= {step + 5}"), encoding="utf-8")
    again = start(tiny, "cli", "train", "tiny")
    _, err = again.communicate()
    assert again.returncode == 0, err
    assert f"resuming: outputs/tiny/ckpt_last.pt at step {step:,}\n" in err


def test_a_second_signal_stops_at_once(tiny: Path) -> None:
    process = start(tiny, "cli", "train", "tiny")
    metrics = tiny / "outputs/tiny/metrics.jsonl"
    while process.poll() is None and not metrics.exists():
        time.sleep(0.001)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGSTOP)  # so that both arrive together, before it can act on the first
        os.kill(process.pid, signal.SIGTERM)
        os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGCONT)
    process.communicate()
    assert process.returncode in (0, 130, 143)
