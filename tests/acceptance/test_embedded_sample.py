"""The main job as a newcomer runs it: no text of one's own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_main_job_starts_on_the_embedded_sample_and_says_so(workspace: Path) -> None:
    text = 'defaults = ["bundestag_char"]\n[train.runtime]\nmax_iters = 40\n'
    (workspace / "short.toml").write_text(text, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-m", "ml_playground.cli", "loop", "bundestag_char", "--exp-config", "short.toml"],
        cwd=workspace, capture_output=True, text=True, check=True,
    )  # fmt: skip
    first = result.stderr.splitlines()[0]
    assert "the built-in sample" in first
    assert "data/bundestag_char/input.txt" in first
    manifest = json.loads((workspace / "outputs/bundestag_char/run.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["step"]) == ("finished", 40)
    assert manifest["val_loss"] < 3
