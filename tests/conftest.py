"""Markers per folder, and the fixtures that all folders share."""

from __future__ import annotations

import os

# Tests run in parallel processes: one thread each, or they wait for one another. Before torch is imported.
os.environ["OMP_NUM_THREADS"] = "1"

from pathlib import Path

import hypothesis
import pytest

# Tests share their cores: how long an example takes says nothing.
hypothesis.settings.register_profile("shared cores", deadline=None)
hypothesis.settings.load_profile("shared cores")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

TINY = """
defaults = ["bundestag_char"]

[prepare]
input = "input.txt"

[train.model]
family = "gpt"
n_layer = 1
n_head = 2
n_embd = 16

[train.data]
batch_size = 4
block_size = 16

[train.optim]
optimizer = "adamw"
learning_rate = 3e-3

[train.schedule]
decay = "cosine"
warmup_iters = 2
min_lr = 1.5e-4

[train.runtime]
out_dir = "outputs/tiny"
device = "cpu"
dtype = "float32"
max_iters = 12
eval_interval = 4
eval_iters = 2
log_interval = 1
sample_tokens = 4

[sample.sample]
max_new_tokens = 40
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(item.path.relative_to(ROOT / "tests").parts[0])


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with a small text, and an experiment file that trains on it in a second."""
    monkeypatch.chdir(tmp_path)
    fill_workspace(tmp_path)
    return tmp_path


def fill_workspace(folder: Path) -> None:
    """A text, and ``tiny.toml``."""
    words = "Herr Präsident! Meine Damen und Herren! Über den Haushalt müssen wir reden.\n"
    (folder / "input.txt").write_text(
        "".join(f"{number}. {words[number % 30 :]}" for number in range(100)), encoding="utf-8"
    )
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real data."""
    if not SHARED.is_dir():
        pytest.skip("needs the real data in ../shared/data, which is not here")
    return SHARED
