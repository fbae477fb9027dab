"""A small text, and an experiment that trains on it in a second."""

from __future__ import annotations

from pathlib import Path

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


def fill_workspace(folder: Path) -> None:
    """A text, and ``tiny.toml``."""
    words = "Herr Präsident! Meine Damen und Herren! Über den Haushalt müssen wir reden.\n"
    (folder / "input.txt").write_text(
        "".join(f"{number}. {words[number % 30 :]}" for number in range(100)), encoding="utf-8"
    )
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
