"""Make the pictures in docs/images: train small runs, and photograph what shows them, in headless Chromium.

``make screenshots`` takes about two minutes and needs Chromium on the PATH.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
EXPERIMENT = """
defaults = ["bundestag_char"]
description = "a small model"

[prepare]
preparer = "bundestag_char"

[train.model]
n_layer = 2
n_head = 2
n_embd = {width}

[train.data]
batch_size = 8
block_size = 32

[train.runtime]
seeds = [1, 2, 3]
threads = 1
max_iters = 120
eval_interval = 10
eval_iters = 10
sample_tokens = 80
out_dir = "outputs/{name}"
"""
SWEEP = """
n_trials = 4
pruner = "none"

[space]
train.data.batch_size = [4, 8]
train.optim.learning_rate = {{ low = 1e-3, high = 3e-2, log = true }}
"""
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #16181c; color: #e6e8eb }} pre {{ font: 13px/1.45 monospace; margin: 16px }}
b {{ color: #7dd3fc; font-weight: normal }}</style><pre>{text}</pre>"""


def mlp(*arguments: str) -> str:
    """What a verb prints."""
    command = [sys.executable, "-m", "ml_playground.cli", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def photograph(name: str, url: str, size: tuple[int, int], *, seconds: int = 1) -> None:
    """Write ``docs/images/<name>.png``, once the page had some time, as it measures it, to load."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    options += [f"--screenshot={IMAGES / name}.png", f"--window-size={size[0]},{size[1]}"]
    command = ["chromium", *options, f"--virtual-time-budget={1000 * seconds}", url]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=True)


def photograph_terminal(name: str, commands: Sequence[Sequence[str]]) -> None:
    """Photograph what commands print."""
    text = "\n\n".join(f"<b>$ mlp {' '.join(each)}</b>\n{html.escape(mlp(*each).strip())}" for each in commands)
    lines = re.sub("<[^>]+>", "", text).splitlines()
    page = Path("terminal.html")
    page.write_text(TERMINAL.format(text=text), encoding="utf-8")
    photograph(name, page.resolve().as_uri(), (8 * max(map(len, lines)) + 40, 19 * len(lines) + 40))


def photograph_tensorboard() -> None:
    """Photograph the tabs of a real server."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "outputs", "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        url = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+/", line)))
        for name, fragment in (("tensorboard-scalars", "timeseries"), ("tensorboard-hparams", "hparams")):
            photograph(name, f"{url}?darkMode=false#{fragment}", (1500, 900), seconds=20)
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("conf/experiment").mkdir(parents=True)
        Path("sweeps").mkdir()
        for name, width in (("narrow", 32), ("wide", 64)):
            Path(f"conf/experiment/{name}.toml").write_text(EXPERIMENT.format(name=name, width=width), encoding="utf-8")
            mlp("train", name)
        Path("sweeps/rates.toml").write_text(SWEEP.format(), encoding="utf-8")
        mlp("sweep", "narrow", "--sweep", "rates")
        mlp("note", "wide/seed-2", "the best of the three")
        photograph_terminal("runs", [["runs"], ["runs", "outputs/sweeps/narrow-rates"]])
        photograph_terminal("compare", [["compare", "narrow", "wide"]])
        mlp("compare", "narrow", "wide", "--html", "page.html")
        photograph("page", Path("page.html").resolve().as_uri(), (1200, 1150))
        photograph_tensorboard()


if __name__ == "__main__":
    main()
