# ruff: noqa: E501  # a table reads best with one row a line
"""A mistake in a sweep file ends in one line that names file, line and key, and exit code 2; no study is made."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from ml_playground.sweeping import storage
from tests.e2e.conftest import Invoke

HEAD = "n_trials = 4\n"
SPACE = "[space]\ntrain.data.batch_size = [2, 4]\n"
LR = "[space]\ntrain.optim.learning_rate = "
MUON_LR = "space.train.optim.muon_learning_rate"
OPTIMIZER = '[space]\ntrain.optim.optimizer = ["adamw", "muon"]\n'
WHEN_BODY = "train.optim.muon_learning_rate = { low = 0.01, high = 0.1, "
WHEN = "[space]\ntrain.data.batch_size = [2, 4]\n" + WHEN_BODY

# (the file below HEAD, the line it is blamed on, the key, a part of the problem)
MISTAKES: dict[str, tuple[str, int, str, str]] = {
    "unknown field at the top": ("n_trails = 3\n" + SPACE, 2, "n_trails", "did you mean 'n_trials'?"),
    "field of an experiment at the top": ("batch_size = [2, 4]\n" + SPACE, 2, "batch_size", "it belongs in [space.train.data]"),
    "unknown field in the space": ("[space]\ntrain.data.batch_sise = [2, 4]", 3, "space.train.data.batch_sise", "did you mean 'batch_size'?"),
    "field in the wrong table": ("[space]\ntrain.optim.batch_size = [2, 4]", 3, "space.train.optim.batch_size", "it belongs in [space.train.data]"),
    "unknown table in the space": ("[space.tarin.data]\nbatch_size = [2]", 2, "space.tarin", "did you mean 'train'?"),
    "no space": ("", 1, "space", "is empty; write below [space], for example"),
    "empty space": ("[space]\n", 2, "space", "is empty"),
    "empty table in the space": ("[space.train.data]\n", 2, "space", "is empty"),
    "list for a table": ("[space]\ntrain.data = [1, 2]", 3, "space.train.data", "must be a table; write [space.train.data]"),
    "value in place of choices": ("[space]\ntrain.data.batch_size = 4", 3, "space.train.data.batch_size", "must be a list of choices, or {low = ..., high = ...}"),
    "empty choices": ("[space]\ntrain.data.batch_size = []", 3, "space.train.data.batch_size", "has no choices"),
    "choice of the wrong type": ('[space]\ntrain.data.batch_size = [2, "4"]', 3, "space.train.data.batch_size", "must be an integer, not the string \"4\"; remove the quotes"),
    "choice out of range": ("[space]\ntrain.model.dropout = [0.0, 1.5]", 3, "space.train.model.dropout", "1.5 is out of range; must be < 1"),
    "unknown choice": ('[space]\ntrain.data.sampler = ["random", "shuffeld"]', 3, "space.train.data.sampler", "did you mean 'shuffled'?"),
    "choice twice": ("[space]\ntrain.data.batch_size = [2, 4, 2]", 3, "space.train.data.batch_size", "has a choice twice"),
    "reference as a choice": ('[space]\ntrain.data.batch_size = ["${train.data.block_size}"]', 3, "space.train.data.batch_size", "refers to another value"),
    "choices that are lists": ('[space]\nsample.sample.stop = [["\\n"], ["."]]', 3, "space.sample.sample.stop", "is a list, and lists cannot be searched"),
    "choices for a list": ('[space]\nsample.sample.stop = ["a"]', 3, "space.sample.sample.stop", "is a list, and lists cannot be searched"),
    "a list among choices": ("[space]\ntrain.data.batch_size = [2, [4]]", 3, "space.train.data.batch_size", "must be an integer, not the array [4]"),
    "a table among choices": ("[space]\ntrain.data.batch_size = [{ a = 2 }]", 3, "space.train.data.batch_size", "must be an integer, not the table"),
    "a date among choices": ("[space]\ntrain.data.batch_size = [1979-05-27]", 3, "space.train.data.batch_size", "must be an integer, not the date or time"),
    "a choice twice in two ways": (LR + "[1, 1.0]", 3, "space.train.optim.learning_rate", "has a choice twice"),
    "a choice that is no number": (LR + "[nan]", 3, "space.train.optim.learning_rate", "use a finite one"),
    "a choice that stands for none": ('[space]\nsample.sample.start = ["???"]', 3, "space.sample.sample.start", "cannot be searched"),
    "too many choices": (f"[space]\ntrain.runtime.seed = {list(range(1001))}", 3, "space.train.runtime.seed", "has 1,001 choices, more than 1,000"),
    "too many steps": (LR + "{ low = 0.1, high = 1.0, step = 1e-300 }", 3, "space.train.optim.learning_rate", "makes more than 1,000,000 steps"),
    "a bound that the study cannot keep": ("[space]\ntrain.data.batch_size = { low = 1, high = 9007199254740993 }", 3, "space.train.data.batch_size", "is too large to search"),
    "a table of the experiment": ("[space]\ntrain = 5", 3, "space.train", "must be a table"),
    "a table below a value": ("[space.train.data.batch_size.low]\na = 1", 2, "space.train.data.batch_size", "'high' is missing"),
    "a grid too large to list": ('sampler = "grid"\n[space]\nsample.runtime.seed = { low = 0, high = 100, step = 1 }\ntrain.runtime.seed = { low = 0, high = 99, step = 1 }', 3, "space", "a grid of 10,100 points, more than 10,000"),
    "choice that conflicts with the experiment": ("[space]\ntrain.model.n_head = [2, 3]", 3, "space.train.model.n_head", "3: n_embd = 16 must be a multiple"),
    "low above high": (LR + "{ low = 0.1, high = 0.01 }", 3, "space.train.optim.learning_rate", "low = 0.1 must be below high = 0.01"),
    "log with 0": ("[space]\ntrain.optim.weight_decay = { low = 0.0, high = 0.1, log = true }", 3, "space.train.optim.weight_decay", "log needs a low above 0"),
    "step with log": (LR + "{ low = 0.1, high = 0.3, step = 0.1, log = true }", 3, "space.train.optim.learning_rate", "log and step exclude each other"),
    "step of 0": (LR + "{ low = 0.1, high = 0.3, step = 0.0 }", 3, "space.train.optim.learning_rate", "must be above 0"),
    "step that misses high": (LR + "{ low = 0.1, high = 0.35, step = 0.1 }", 3, "space.train.optim.learning_rate", "does not lead from low = 0.1 to high = 0.35"),
    "log that is no boolean": (LR + "{ low = 0.1, high = 0.3, log = 1 }", 3, "space.train.optim.learning_rate", "log must be true or false"),
    "no high": (LR + "{ low = 0.1 }", 3, "space.train.optim.learning_rate", "'high' is missing"),
    "unknown key of a range": (LR + "{ low = 0.1, high = 0.3, base = 2 }", 3, "space.train.optim.learning_rate", "'base' is unknown"),
    "bound of the wrong type": ("[space]\ntrain.data.batch_size = { low = 1, high = 4.5 }", 3, "space.train.data.batch_size", "high must be an integer"),
    "bound out of range": ("[space]\ntrain.data.batch_size = { low = 0, high = 4 }", 3, "space.train.data.batch_size", "low = 0 is out of range"),
    "range of what is no number": ('[space]\ntrain.runtime.device = { low = 1, high = 2 }', 3, "space.train.runtime.device", "is not a number and has no range"),
    "range of infinite length": (LR + "{ low = 0.1, high = inf }", 3, "space.train.optim.learning_rate", "use a finite one"),
    "the run folder": ('[space]\ntrain.runtime.out_dir = ["a", "b"]', 3, "space.train.runtime.out_dir", "every trial has its own folder"),
    "the length": ("[space]\ntrain.runtime.max_iters = [10, 20]", 3, "space.train.runtime.max_iters", "it follows from the budget; set tokens"),
    "the evaluation": ("[space]\ntrain.runtime.eval_iters = [10, 20]", 3, "space.train.runtime.eval_iters", "all trials are scored on the same text"),
    "the text": ('[space]\nprepare.tokenizer = ["char", "bpe"]', 3, "space.prepare.tokenizer", "changes the validation text"),
    "the experiment's name": ('[space]\nexperiment = ["a"]', 3, "space.experiment", "is the name given on the command line"),
    "unknown sampler": ('sampler = "tpee"\n' + SPACE, 2, "sampler", "did you mean 'tpe'?"),
    "unknown pruner": ('pruner = "hyper"\n' + SPACE, 2, "pruner", "did you mean 'hyperband'?"),
    "unknown metric": ('objective = { loss = "minimize" }\n' + SPACE, 2, "objective", "there is no metric 'loss'; one of val_loss, train/loss"),
    "three objectives": ('objective = { val_loss = "minimize", "train/loss" = "minimize", "train/step_time_ms" = "minimize" }\n' + SPACE, 2, "objective", "must name one metric or two, not 3"),
    "unknown direction": ('objective = { val_loss = "down" }\n' + SPACE, 2, "objective", "val_loss: the string \"down\" is not a choice"),
    "metric without direction": ('objective = "val_loss"\n' + SPACE, 2, "objective", "must be a table"),
    "a loss to maximize": ('objective = { val_loss = "maximize" }\n' + SPACE, 2, "objective", "val_loss gets better as it falls"),
    "two objectives with a pruner": (
        'objective = { val_loss = "minimize", "train/tokens_per_sec" = "maximize" }\npruner = "median"\n' + SPACE, 3, "pruner",
        "two objectives cannot be pruned",
    ),
    "no trials": ("workers = 0\n" + SPACE, 2, "workers", "0 is out of range"),
    "more trials than a study can have": ("n_trials = 1000000000000\n" + SPACE, 2, "n_trials", "must be <= 100000"),
    "more workers than cores": ("workers = 256\n" + SPACE, 2, "workers", "256 are more than this machine's"),
    "unknown engine": ('engine = "dask"\n' + SPACE, 2, "engine", "no engine is named 'dask'; there are: local, ray"),
    "no Slurm": ('engine = "slurm"\n' + SPACE, 2, "engine", "Slurm is not installed here: no sbatch or srun"),
    "no Ray cluster": ('engine = "ray"\n[ray]\naddress = "none"\n' + SPACE, 2, "engine", "ray.address: 'none' is no address"),
    "unknown engine setting": ("[ray]\nnum_cpu = 1\n" + SPACE, 3, "ray.num_cpu", "did you mean 'num_cpus'?"),
    "engine setting out of range": ("[slurm]\ntime = 0\n" + SPACE, 3, "slurm.time", "0 is out of range; must be >= 1"),
    "engine's table as a value": ("ray = 1\n" + SPACE, 2, "ray", "unknown key"),
    "quoted number": ('seed = "1"\n' + SPACE, 2, "seed", "must be an integer"),
    "budget smaller than an evaluation": ("tokens = 255\n" + SPACE, 2, "tokens", "ends before its first evaluation, after 256"),
    "evaluation after the end": ("eval_tokens = 769\n" + SPACE, 2, "eval_tokens", "a trial of 768 tokens ends before"),
    "budget smaller than an update": ("tokens = 1000\n[space]\ntrain.data.batch_size = [4, 64]", 4, "space.train.data.batch_size", "64: one update sees 1,024 tokens"),
    "context longer than the training's": ("eval_block_size = 16\n[space]\ntrain.data.block_size = [8, 16]", 2, "eval_block_size", "16 is longer than the context that some trials train with, 8"),
    "a baseline with updates larger than a trial": ("baseline = true\ntokens = 60\neval_tokens = 30\n[space]\ntrain.data.batch_size = [1, 2]", 2, "baseline", "the experiment itself cannot be a trial: train.data.batch_size: one update sees 64 tokens"),
    "confirm above n_trials": ("confirm = { top = 5, seeds = 3 }\n" + SPACE, 2, "confirm", "top = 5 is more than n_trials = 4"),
    "confirm of nothing": ("confirm = { top = 0, seeds = 3 }\n" + SPACE, 2, "confirm", "top = 0 must be from 1 to 100"),
    "confirm on one seed": ("confirm = { top = 1, seeds = 1 }\n" + SPACE, 2, "confirm", "seeds = 1 must be from 2 to 100"),
    "confirm without seeds": ("confirm = { top = 1 }\n" + SPACE, 2, "confirm", "'seeds' is missing; write, for example, confirm = { top = 3"),
    "empty confirm": ("confirm = {}\n" + SPACE, 2, "confirm", "'seeds' is missing"),
    "confirm that is a number": ("confirm = 3\n" + SPACE, 2, "confirm", "must be a table"),
    "confirm that is a truth": ("confirm = true\n" + SPACE, 2, "confirm", "must be a table"),
    "confirm with a list of seeds": ("confirm = { top = 1, seeds = [1, 2] }\n" + SPACE, 2, "confirm", "seeds: must be an integer"),
    "confirm with a fraction": ("confirm = { top = 1.5, seeds = 2 }\n" + SPACE, 2, "confirm", "top: must be an integer"),
    "confirm with a quoted number": ('confirm = { top = "3", seeds = 2 }\n' + SPACE, 2, "confirm", "top: must be an integer"),
    "unknown key of confirm": ("confirm = { best = 3, seeds = 3 }\n" + SPACE, 2, "confirm", "'best' is unknown"),
    "confirm for two objectives": ('objective = { val_loss = "minimize", "train/loss" = "minimize" }\nconfirm = { top = 1, seeds = 3 }\n' + SPACE, 3, "confirm", "two objectives have no single best trial"),
    "confirm where the seed is searched": ("confirm = { top = 1, seeds = 3 }\n[space]\ntrain.runtime.seed = [1, 2]", 2, "confirm", "but train.runtime.seed is searched"),
    "extend above n_trials": ("extend = { top = 5, factor = 4 }\n" + SPACE, 2, "extend", "top = 5 is more than n_trials = 4"),
    "extend of nothing": ("extend = { top = 0, factor = 4 }\n" + SPACE, 2, "extend", "top = 0 must be from 1 to 100"),
    "extend to the same length": ("extend = { top = 1, factor = 1 }\n" + SPACE, 2, "extend", "factor = 1 must be from 2 to 1000"),
    "extend without a factor": ("extend = { top = 1 }\n" + SPACE, 2, "extend", "'factor' is missing; write, for example, extend = { top = 1, factor = 4 }"),
    "extend that is a number": ("extend = 4\n" + SPACE, 2, "extend", "must be a table"),
    "extend by a fraction": ("extend = { top = 1, factor = 1.5 }\n" + SPACE, 2, "extend", "factor: must be an integer"),
    "unknown key of extend": ("extend = { top = 1, tokens = 4 }\n" + SPACE, 2, "extend", "'tokens' is unknown"),
    "misspelt extend": ("extended = { top = 1, factor = 4 }\n" + SPACE, 2, "extended", "did you mean 'extend'?"),
    "extend for two objectives": ('objective = { val_loss = "minimize", "train/loss" = "minimize" }\nextend = { top = 1, factor = 4 }\n' + SPACE, 3, "extend", "two objectives have no single best trial"),
    "extend for speed": ('objective = { "train/tokens_per_sec" = "maximize" }\nextend = { top = 1, factor = 4 }\n' + SPACE, 3, "extend", "more tokens do not improve train/tokens_per_sec"),
    "extend under a cosine": ("extend = { top = 1, factor = 4 }\n" + SPACE, 2, "extend", 'a trial with train.schedule.decay = "cosine" cannot be extended'),
    "extend where a linear decay is searched": ('baseline = false\nextend = { top = 1, factor = 4 }\n[space]\ntrain.schedule.decay = ["wsd", "linear"]', 3, "extend", 'a trial with train.schedule.decay = "linear" cannot be extended'),
    "the checkpoint that extend needs": ("[space]\ntrain.runtime.ckpt_stable = [true, false]", 3, "space.train.runtime.ckpt_stable", "it follows from extend at the top"),
    "condition on what is not searched": (WHEN + 'when.train.optim.optimizer = "muon" }', 4, MUON_LR, "when: train.optim.optimizer is not searched; add it to [space]"),
    "condition on a misspelt key": (OPTIMIZER + WHEN_BODY + 'when.train.optim.optimiser = "muon" }', 4, MUON_LR, "when: train.optim.optimiser is not searched; did you mean 'train.optim.optimizer'?"),
    "condition on an unknown choice": (OPTIMIZER + WHEN_BODY + 'when.train.optim.optimizer = "moun" }', 4, MUON_LR, 'when: train.optim.optimizer has no choice the string "moun"; one of'),
    "condition on no choice": (OPTIMIZER + WHEN_BODY + "when.train.optim.optimizer = [] }", 4, MUON_LR, "when: train.optim.optimizer names no choice"),
    "condition on a range": ("[space]\ntrain.model.dropout = { low = 0.0, high = 0.2 }\n" + WHEN_BODY + "when.train.model.dropout = 0.1 }", 4, MUON_LR, "when: train.model.dropout is a range"),
    "condition on itself": ("[space]\ntrain.data.batch_size = { choices = [2, 4], when.train.data.batch_size = 2 }", 3, "space.train.data.batch_size", "when: depends on itself: train.data.batch_size -> train.data.batch_size"),
    "conditions in a circle": (
        "[space]\ntrain.data.batch_size = { choices = [2, 4], when.train.data.grad_accum_steps = 1 }\n"
        "train.data.grad_accum_steps = { choices = [1, 2], when.train.data.batch_size = 2 }", 3, "space.train.data.batch_size",
        "when: depends on itself: train.data.batch_size -> train.data.grad_accum_steps -> train.data.batch_size",
    ),
    "conditions that exclude one another": (
        OPTIMIZER + "train.data.batch_size = { choices = [2, 4], when.train.optim.optimizer = \"adamw\" }\n" + WHEN_BODY
        + 'when.train.optim.optimizer = "muon", when.train.data.batch_size = 2 }', 5, MUON_LR, "when: can never hold, as no choice of train.optim.optimizer meets all",
    ),
    "condition that is a name": (OPTIMIZER + WHEN_BODY + 'when = "muon" }', 4, MUON_LR, "when: must name a choice of another searched setting, such as when.train.optim"),
    "empty condition": (OPTIMIZER + WHEN_BODY + "when = {} }", 4, MUON_LR, "when: must name a choice"),
    "condition beside nothing": (OPTIMIZER + 'train.optim.muon_learning_rate = { when.train.optim.optimizer = "muon" }', 4, MUON_LR, "'high' is missing; write low and high, or choices = [...], beside when"),
    "choices that are no list": (OPTIMIZER + 'train.optim.muon_learning_rate = { choices = 0.1, when.train.optim.optimizer = "muon" }', 4, MUON_LR, "choices must be a list"),
    "choices with a bound": (OPTIMIZER + "train.optim.muon_learning_rate = { choices = [0.1], low = 0.1 }", 4, MUON_LR, "'low' is unknown; beside choices, there can be when"),
    "conditions with a genetic algorithm": ('sampler = "nsga2"\n' + OPTIMIZER + WHEN_BODY + 'when.train.optim.optimizer = "muon" }', 2, "sampler", "'nsga2' cannot search keys that only apply under a condition, such as train.optim.muon_learning_rate"),
    "quoted baseline": ('baseline = "yes"\n' + SPACE, 2, "baseline", "must be a boolean"),
    "baseline with values": ("baseline = { batch_size = 4 }\n" + SPACE, 2, "baseline", "must be a boolean"),
    "misspelt baseline": ("base_line = true\n" + SPACE, 2, "base_line", "did you mean 'baseline'?"),
    "misspelt confirm": ("confirmed = { top = 1, seeds = 3 }\n" + SPACE, 2, "confirmed", "did you mean 'confirm'?"),
    "a baseline that is a number": ("baseline = 1\n" + SPACE, 2, "baseline", "must be a boolean"),
    "grid without a step": ('sampler = "grid"\n' + LR + "{ low = 0.1, high = 0.3 }", 4, "space.train.optim.learning_rate", "a grid needs a step"),
    "cmaes with choices": ('sampler = "cmaes"\n' + SPACE, 2, "sampler", "'cmaes' searches two or more ranges, and no choices"),
}  # fmt: skip


@pytest.fixture
def sweeps(tiny: Path) -> Path:
    folder = tiny / "sweeps"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_line_names_file_line_and_key(invoke: Invoke, sweeps: Path, mistake: str) -> None:
    text, line, key, problem = MISTAKES[mistake]
    head = HEAD if "n_trials" not in text.split() else "# a comment\n"
    (sweeps / "my.toml").write_text(head + text + "\n", encoding="utf-8")
    result = invoke("mlp", "sweep", "tiny", "--sweep", "my")
    assert result.code == 2
    assert re.fullmatch(rf"sweeps/my\.toml:{line}: {re.escape(key)}: [^\n]+\n", result.err), result.err
    assert problem in result.err
    assert not (sweeps.parent / "outputs").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SPACE, "sweeps/my.toml:1: n_trials: missing; say how many"),
        ("n_trials = 1\n[space\n", "sweeps/my.toml:2: not valid TOML: "),
        (
            'sampler = "grid"\n[space]\ntrain.model.n_head = [3, 5]\ntrain.model.n_embd = [16, 32]\n',
            "sweeps/my.toml:2: space: no combination is valid",
        ),
    ],
)
def test_files_that_are_no_sweep(invoke: Invoke, sweeps: Path, text: str, line: str) -> None:
    (sweeps / "my.toml").write_text(text, encoding="utf-8")
    result = invoke("mlp-run", "experiment=tiny", "sweep=my")
    assert result.code == 2
    assert result.err.startswith(line), result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("name", ["batchin", "../batching", ""])
def test_unknown_sweeps_are_refused(invoke: Invoke, sweeps: Path, name: str) -> None:
    result = invoke("mlp-run", "experiment=tiny", f"sweep={name}")
    assert result.code == 2
    assert result.err.startswith(f"unknown sweep '{name}'; ")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("nonsense", "sweeps/my.toml:1: storage: not the URL of a database: "),
        ("sqlite://", "sweeps/my.toml:1: storage: names no file"),
        ("postgresql://me:secret@host/study", "sweeps/my.toml:1: storage: contains a password, which everyone"),
        ("sqlite:////nowhere/at/all.db", "/nowhere/at/all.db: the study's database cannot be used: unable to open"),
    ],
)
def test_a_database_that_cannot_be_used(invoke: Invoke, sweeps: Path, url: str, line: str) -> None:
    (sweeps / "my.toml").write_text(f'storage = "{url}"\n{HEAD}{SPACE}', encoding="utf-8")
    result = invoke("mlp", "sweep", "tiny", "--sweep", "my")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(line)
    assert "secret" not in result.err + result.out


@pytest.fixture
def study(invoke: Invoke, sweeps: Path) -> Path:
    """The database of a sweep with a trial that was started."""
    (sweeps / "my.toml").write_text(HEAD + SPACE, encoding="utf-8")
    path = sweeps.parent / "outputs/sweeps/tiny-my/study.db"
    (path.parent / "trials/0000").mkdir(parents=True)
    return path


def test_a_study_that_is_no_database_is_kept(invoke: Invoke, study: Path) -> None:
    study.write_text("no database " * 100, encoding="utf-8")
    result = invoke("mlp", "sweep", "tiny", "--sweep", "my")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith(
        "outputs/sweeps/tiny-my/study.db: the study's database is damaged: file is not a database; restore it"
    )
    assert study.read_text(encoding="utf-8") == "no database " * 100


@pytest.mark.parametrize("emptied", [True, False])
def test_trials_without_their_study_are_kept(invoke: Invoke, study: Path, emptied: bool) -> None:
    if emptied:
        study.touch()
    result = invoke("mlp", "sweep", "tiny", "--sweep", "my")
    assert result.code == 2
    assert result.err.splitlines()[-1].startswith("outputs/sweeps/tiny-my: has trials whose study is gone; ")
    assert study.exists() == emptied
    assert not emptied or study.stat().st_size == 0


def test_a_sweep_that_has_no_result_fails_each_time(invoke: Invoke, sweeps: Path) -> None:
    text = 'sampler = "grid"\nbaseline = false\n[space]\ntrain.optim.learning_rate = [1e30, 1e31]\n'
    (sweeps / "my.toml").write_text(text, encoding="utf-8")
    for _ in range(2):
        result = invoke("mlp", "sweep", "tiny", "--sweep", "my")
        assert result.code == 1
        assert result.err.splitlines()[-1] == (
            "outputs/sweeps/tiny-my: no trial has a score: 2 diverged;"
            " see the reasons in outputs/sweeps/tiny-my/leaderboard.csv"
        )
    assert (sweeps.parent / "outputs/sweeps/tiny-my/leaderboard.csv").read_text().count("diverged: ") == 2


def test_a_file_in_the_way_of_the_sweep_is_one_line(invoke: Invoke, sweeps: Path) -> None:
    (sweeps / "my.toml").write_text(HEAD + SPACE, encoding="utf-8")
    (sweeps.parent / "outputs").mkdir()
    (sweeps.parent / "outputs/sweeps").write_text("mine", encoding="utf-8")
    result = invoke("mlp", "sweep", "tiny", "--sweep", "my")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith("outputs/sweeps/tiny-my: [Errno 20] Not a directory: ")
    assert (sweeps.parent / "outputs/sweeps").read_text(encoding="utf-8") == "mine"


def test_a_locked_study_is_one_line(invoke: Invoke, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_SECONDS_BETWEEN_TRIES", 0.05)
    monkeypatch.setattr(storage, "_SECONDS_TO_WAIT", 0.2)
    storage.open_storage(study)
    with contextlib.closing(sqlite3.connect(study, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = invoke("mlp", "sweep", "tiny", "--sweep", "my")
    assert result.code == 1
    assert result.err.splitlines()[-1].startswith(
        "outputs/sweeps/tiny-my/study.db: the study's database is locked by another program for more than"
    )
    assert result.err.endswith("run the same command to resume\n")
