"""GPT-2's tokens of a well-known text, as nanoGPT counts them in its ``data/shakespeare``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ml_playground.dataset.prepare import prepare_dataset
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextFile


def test_tiny_shakespeare_has_as_many_tokens_as_in_nanogpt(
    workspace: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A copy: tiktoken deletes files that it thinks are damaged.
    shutil.copytree(shared / "tiktoken-cache", workspace / "cache")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(workspace / "cache"))
    path = shared / "tinyshakespeare" / "input.txt"
    dataset = prepare_dataset(PrepareConfig(preparer="x", tokenizer="tiktoken"), TextFile(path))
    assert (dataset.meta.train_tokens, dataset.meta.val_tokens) == (301_966, 36_059)
    assert (dataset.meta.vocab_size, dataset.meta.dtype) == (50_257, "<u2")
    text = path.read_text(encoding="utf-8")
    cut = int(len(text) * 0.9)
    for tokens, part in ((dataset.tokens("train"), text[:cut]), (dataset.tokens("val"), text[cut:])):
        assert tokens.tolist() == dataset.tokenizer.encode(part).tolist()
        assert dataset.tokenizer.decode(tokens.tolist()) == part
