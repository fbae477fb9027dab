from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.fuzz.commands import command

EXPERIMENT = """
description = "tiny"

[prepare]
preparer = "shakespeare_char"
input = "text.txt"

[train.model]
family = "gpt"
n_layer = 1
n_head = 2
n_embd = 8

[train.data]
batch_size = 2
block_size = 8

[train.optim]
optimizer = "adamw"
learning_rate = 1e-3

[train.schedule]
warmup_iters = 1
min_lr = 1e-4

[train.runtime]
device = "cpu"
dtype = "float32"
threads = 1
max_iters = 2
eval_interval = 1
eval_iters = 1
log_interval = 1
sample_tokens = 4

[sample.runtime]
device = "cpu"
dtype = "float32"

[sample.sample]
start = "To be"
max_new_tokens = 4
num_samples = 1
"""
SWEEP = """
description = "tiny"
n_trials = 2
sampler = "random"
pruner = "none"
seed = 1
workers = 1

[space]
train.data.batch_size = [2, 4]
train.optim.learning_rate = { low = 1e-4, high = 1e-2, log = true }
"""


def fill(folder: Path) -> None:
    """A text, an experiment ``x`` and a sweep ``s``."""
    (folder / "conf" / "experiment").mkdir(parents=True)
    (folder / "sweeps").mkdir()
    (folder / "conf" / "experiment" / "x.toml").write_text(EXPERIMENT, encoding="utf-8")
    (folder / "sweeps" / "s.toml").write_text(SWEEP, encoding="utf-8")
    lines = [f"{number}. To be, or not to be, that is the question:\n"[number % 7 :] for number in range(60)]
    (folder / "text.txt").write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run that was sampled."""
    folder = tmp_path_factory.mktemp("trained") / "here"
    fill(folder)
    outcome = command(folder, "loop", "x", seconds=300)
    assert outcome.code == 0, outcome.err
    return folder


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished sweep."""
    folder = tmp_path_factory.mktemp("swept") / "here"
    fill(folder)
    outcome = command(folder, "sweep", "x", "--sweep", "s", seconds=300)
    assert outcome.code == 0, outcome.err
    return folder


def contents(folder: Path) -> dict[Path, str]:
    """Digest of every plain file; links and pipes are named."""
    found: dict[Path, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(folder)] = f"-> {path.readlink()}"
        elif path.is_file():
            found[path.relative_to(folder)] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not path.is_dir():
            found[path.relative_to(folder)] = "special"
    return found
