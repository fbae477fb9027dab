"""Whatever kills ``prepare``, wherever: the dataset is absent or whole, and the next one works."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from ml_playground.dataset.prepare import prepare_dataset
from ml_playground.dataset.prepared import open_dataset
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextFile
from tests.integration import children
from tests.integration.children import Hook

KILL = signal.SIGKILL
CONFIG = """
defaults = ["bundestag_char"]
[prepare]
input = "long.txt"
dataset_dir = "data/set"
"""
POINTS = {
    "reading": Hook("ml_playground.text.source:TextFile.chunks", 1, KILL),
    "learning": Hook("ml_playground.text.char:CharTokenizer.train", 1, KILL, "after"),
    "encoding": Hook("ml_playground.text.char:CharTokenizer.encode", 2, KILL),
    "before the first file is whole": Hook("os:fsync", 1, KILL),
    "between the two files": Hook("os:replace", 2, KILL),
    "before the record": Hook("os:replace", 3, KILL),
    "between the two files in place": Hook("os:replace", 4, KILL, "after"),
    "before the meta": Hook("os:replace", 6, KILL),
    "after the meta": Hook("os:replace", 6, KILL, "after"),
}


@pytest.fixture
def long(workspace: Path) -> Path:
    (workspace / "long.txt").write_text("Über den Haushalt müssen wir reden.\n" * 100_000, encoding="utf-8")
    (workspace / "my.toml").write_text(CONFIG, encoding="utf-8")
    return workspace


def assert_next_prepare_is_whole(folder: Path) -> None:
    data = folder / "data" / "set"
    if (data / "meta.json").exists():
        open_dataset(data)
    assert children.finish(folder, folder / "my.toml", verb="prepare") == 0, children.log(folder)
    expected = prepare_dataset(PrepareConfig(dataset_dir=folder / "expected"), TextFile(folder / "long.txt"))
    found = open_dataset(data)
    for split in ("train", "val"):
        assert np.array_equal(found.tokens(split), expected.tokens(split))
    assert sorted(path.name for path in data.parent.iterdir()) == [".set.lock", "set"]
    # The record of a replacement may outlive a kill just after the meta; the next replacement writes its own.
    assert {path.name for path in data.iterdir()} - {".preparing.json"} == {"meta.json", "train.bin", "val.bin"}


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("before", ["nothing", "older data"])
def test_sigkill_at_a_named_point(long: Path, point: str, before: str) -> None:
    if before == "older data":
        prepare_dataset(PrepareConfig(dataset_dir=long / "data" / "set"), TextFile(long / "input.txt"))
    assert children.finish(long, long / "my.toml", POINTS[point], verb="prepare") == -KILL, "it was not killed"
    assert_next_prepare_is_whole(long)


def test_sigkill_at_ten_random_moments(long: Path) -> None:
    moments = random.Random(1)
    for _ in range(10):
        process = children.start(long, long / "my.toml", verb="prepare")
        log = long / "child.log"
        said = len(log.read_text(encoding="utf-8")) if log.exists() else 0
        while process.is_alive() and (len(log.read_text(encoding="utf-8")) if log.exists() else 0) == said:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.06))
        assert process.pid is not None
        if process.is_alive():
            os.kill(process.pid, KILL)
        process.join(60)
        assert process.exitcode in (0, -KILL), children.log(long)
        if (long / "data" / "set" / "meta.json").exists():  # which is written last; without it there is no dataset
            open_dataset(long / "data" / "set")
    assert_next_prepare_is_whole(long)
