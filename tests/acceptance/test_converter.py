"""llama.cpp's own converter, where it is at hand: on a model with GPT-2's tokens, and on that model finetuned."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ml_playground.composition.load import load_experiment
from ml_playground.exporting.export import export
from ml_playground.exporting.llama_cpp import llama_cpp
from ml_playground.runs.train import train

OWN = """
defaults = ["{base}"]

[prepare]
preparer = "bundestag_char"
tokenizer = "tiktoken"

[export.ollama]
convert_bin = "{converter}"
"""
FINETUNED = """
[prepare]
preparer = "bundestag_char"
input = "input.txt"
tokenizer = "hf"
tokenizer_path = "${train.model.path}"

[train.model]
family = "hf"
path = "outputs/own/export/hf"

[train.data]
batch_size = 2
block_size = 16

[train.optim]
learning_rate = 1e-2

[train.runtime]
max_iters = 4
device = "cpu"
dtype = "float32"

[export.ollama]
"""


@pytest.fixture
def converter() -> Path:
    path = os.environ.get("CONVERT_HF_TO_GGUF")
    if not path:
        pytest.skip("needs CONVERT_HF_TO_GGUF=path of llama.cpp's convert_hf_to_gguf.py")
    if llama_cpp() is None:
        pytest.skip("needs the extra 'verify'")
    return Path(path)


def test_what_it_writes_runs_in_llama_cpp(
    workspace: Path, shared: Path, converter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy: tiktoken deletes files that it thinks are damaged.
    shutil.copytree(shared / "tiktoken-cache", workspace / "cache")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(workspace / "cache"))
    conf = workspace / "conf" / "experiment"
    conf.mkdir(parents=True)
    shutil.copy("tiny.toml", conf / "base.toml")
    Path("own.toml").write_text(OWN.format(base="base", converter=converter), encoding="utf-8")
    Path("finetuned.toml").write_text(f'{FINETUNED}convert_bin = "{converter}"\n', encoding="utf-8")
    for name in ("own", "finetuned"):
        config = load_experiment(name, Path(f"{name}.toml"))
        config.train.runtime.out_dir = config.sample.runtime.out_dir = Path("outputs", name)
        config.export.export_dir = Path("outputs", name, "export")
        train(config)
        folder = export(config, "gguf")
        record = json.loads((folder / "export.json").read_text(encoding="utf-8"))
        assert record["verified_with"].startswith("llama.cpp")
        assert record["proof"]["agreeing_tokens"] > 0.95
