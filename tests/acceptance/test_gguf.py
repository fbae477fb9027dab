"""Models trained on German text write the same text in llama.cpp: 200 greedy tokens after each of 20 prompts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tomli_w
import torch

from ml_playground.composition.load import load_experiment
from ml_playground.dataset.batches import Batches
from ml_playground.experiments.prepare import prepare
from ml_playground.exporting.gguf import write_gguf
from ml_playground.exporting.llama_cpp import llama_cpp, verify
from ml_playground.exporting.reference import Reference
from ml_playground.runs.train import train
from ml_playground.training.loading import load_trained

pytestmark = pytest.mark.skipif(llama_cpp() is None, reason="needs llama.cpp: the extra verify")
SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 64}
RUNTIME = {"out_dir": "outputs/run", "device": "cpu", "dtype": "float32"}


@pytest.mark.parametrize(
    ("family", "prepare_table", "iterations"),
    [
        ("qwen3", {}, 100),
        ("gpt", {}, 100),
        pytest.param("qwen3", {"tokenizer": "bpe", "vocab_size": 1024}, 200, marks=pytest.mark.nightly),
        pytest.param("gpt", {"tokenizer": "bpe", "vocab_size": 1024}, 200, marks=pytest.mark.nightly),
        pytest.param("qwen3", {"tokenizer": "tiktoken"}, 60, marks=pytest.mark.nightly),
        pytest.param("gpt", {"tokenizer": "tiktoken"}, 60, marks=pytest.mark.nightly),
        pytest.param("qwen3", {"tokenizer": "char_ngram", "ngram": 2}, 200, marks=pytest.mark.nightly),
    ],
    ids=["qwen3 char", "gpt char", "qwen3 bpe", "gpt bpe", "qwen3 tiktoken", "gpt tiktoken", "qwen3 char_ngram"],
)
def test_a_trained_model_writes_the_same_german_text_in_llama_cpp(
    family: str,
    prepare_table: dict[str, object],
    iterations: int,
    workspace: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "tiktoken" in prepare_table.values():
        shared: Path = request.getfixturevalue("shared")
        shutil.copytree(shared / "tiktoken-cache", workspace / "cache")
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(workspace / "cache"))
    experiment = {
        "defaults": ["bundestag_char"],
        "prepare": {"preparer": "bundestag_char", **prepare_table},
        "train": {
            "model": {"family": family, **SHAPE},
            "data": {"batch_size": 4, "block_size": 224},
            "runtime": {**RUNTIME, "max_iters": iterations, "eval_interval": iterations, "eval_iters": 2},
        },
    }
    Path("german.toml").write_text(tomli_w.dumps(experiment), encoding="utf-8")
    config = load_experiment("bundestag_char", Path("german.toml"))
    train(config)
    trained = load_trained(Path("outputs/run"))
    assert trained.tokenizer is not None
    assert trained.tokenizer.decode(trained.tokenizer.encode("„Ä“ – ß").tolist()) == "„Ä“ – ß"
    windows = torch.cat([batch.inputs for batch in Batches(prepare(config), "val", 4, 224).fixed(4)])
    reference = Reference.of(trained, windows)
    for kind, perplexity in (("f32", 1e-3), ("f16", 1e-3), ("bf16", 1e-2), ("q8_0", 1e-2)):
        write_gguf(trained, Path("model.gguf"), kind)
        found = verify(reference, Path("model.gguf"), kind)
        assert found.greedy_tokens == 20 * 200
        assert found.their_perplexity == pytest.approx(found.perplexity, rel=perplexity)
        assert found.agreeing_tokens >= 0.95
        if kind in {"f32", "f16"}:  # tokens differ only where the two likeliest ones are as good as equal
            assert found.largest_tie < 0.005
        if family == "qwen3" and kind == "f32":
            assert found.equal_tokens == 1
