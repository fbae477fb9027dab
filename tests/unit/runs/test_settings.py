from __future__ import annotations

from pathlib import Path

import pytest

from ml_playground.runs.settings import differing, read_settings, relevant, show_params

BASE = {"train.optim.optimizer": "adamw", "train.schedule.decay": "cosine", "prepare.tokenizer": "char"}


@pytest.mark.parametrize(
    ("key", "other", "value"),
    [
        ("train.optim.muon_momentum", "train.optim.optimizer", "muon"),
        ("train.schedule.decay_fraction", "train.schedule.decay", "wsd"),
        ("prepare.vocab_size", "prepare.tokenizer", "bpe"),
        ("prepare.ngram", "prepare.tokenizer", "char_ngram"),
        ("prepare.encoding", "prepare.tokenizer", "tiktoken"),
        ("train.model.peft.r", "train.model.peft.method", "lora"),
        ("train.runtime.ckpt_metric", "train.runtime.early_stop_patience", 3),
    ],
)
def test_a_setting_counts_only_if_it_is_read(key: str, other: str, value: object) -> None:
    assert key not in relevant({**BASE, key: 1})
    assert key in relevant({**BASE, key: 1, other: value})


@pytest.mark.parametrize(
    "key", ["train.runtime.out_dir", "train.runtime.ckpt_top_k", "prepare.url", "sample.sample.top_k", "export.x"]
)
def test_bookkeeping_does_not_count(key: str) -> None:
    assert relevant({**BASE, key: 1}) == BASE


def test_settings_that_differ_are_found_in_all_runs() -> None:
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}]) == ["b", "c"]


def test_a_file_that_cannot_be_read_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff[")
    assert read_settings(tmp_path) == read_settings(tmp_path / "nowhere") == {}
    (tmp_path / "config.toml").write_text("[a.b]\nc = [1]\nd = 2\n")
    assert read_settings(tmp_path) == {"a.b.c": [1], "a.b.d": 2}


def test_values_of_a_trial_are_short() -> None:
    assert show_params({"train.data.batch_size": 8, "train.optim.learning_rate": 0.00312345}) == (
        "batch_size=8 learning_rate=0.003123"
    )
