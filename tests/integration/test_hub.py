"""A pretrained model by its name on a hub, which is downloaded once."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import tomli_w

from tests.integration.conftest import last
from tests.integration.finetuning import tables, write_model
from tests.integration.hub import serving
from tests.workspace import TINY

NAME = "somebody/tiny"


def test_a_model_of_the_hub_is_downloaded_once_and_resumed_without_it(workspace: Path, tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model")

    def run(endpoint: str, steps: int) -> str:
        settings, changes = tomllib.loads(TINY), tables(Path(NAME))
        settings["prepare"].update(changes["prepare"])
        settings["train"]["model"] = changes["train"]["model"]
        settings["train"]["runtime"]["max_iters"] = steps
        (workspace / "hub.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
        command = [sys.executable, "-m", "ml_playground.cli", "loop", "bundestag_char", "--exp-config", "hub.toml"]
        environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(workspace / "cache"), "NO_PROXY": "127.0.0.1"}
        offline = {"HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "0"}
        result = subprocess.run(  # what a name stands for is read from the environment at import
            command, env={**os.environ, **environment, **offline}, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        return result.stderr

    with serving(folder) as endpoint:
        output = run(endpoint, 4)
    announced = next(line for line in output.splitlines() if line.startswith("pretrained model: somebody/tiny"))
    assert "a download of about 0.00 GB, once; at least 0.00 GB of memory" in announced
    assert "resuming: outputs/tiny/ckpt_last.pt at step 4" in run(endpoint, 8)
    assert last(Path("outputs/tiny")).step == 8
