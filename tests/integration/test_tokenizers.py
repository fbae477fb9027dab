"""Every tokenizer from text to samples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml_playground.commands.loop import loop
from ml_playground.training.loading import load_trained
from tests.integration.conftest import Tiny


@pytest.mark.parametrize(
    "settings",
    [{"tokenizer": "char_ngram", "ngram": 3}, {"tokenizer": "bpe", "vocab_size": 300}],
    ids=lambda settings: settings["tokenizer"],
)
def test_a_run_carries_its_tokenizer(
    tiny: Tiny, capsys: pytest.CaptureFixture[str], settings: dict[str, object]
) -> None:
    config = tiny(prepare=settings, train={"data": {"block_size": 8}})
    loop(config)
    tokenizer = load_trained(Path("outputs/tiny")).tokenizer
    assert tokenizer is not None
    assert tokenizer.state["kind"] == settings["tokenizer"]
    assert json.loads(Path("outputs/tiny/run.json").read_text(encoding="utf-8"))["status"] == "finished"
    assert capsys.readouterr().out.startswith("\n")
    text = "Meine Damen und Herren! Über den Haushalt"
    assert tokenizer.decode(tokenizer.encode(text).tolist()) == text
