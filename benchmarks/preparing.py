"""Tokenization speed: nanoGPT's method, reimplemented here, against ours on the same text.

nanoGPT's ``data/shakespeare_char/prepare.py`` reads the whole text, builds the set of its characters, maps each
character through a dictionary, converts the lists to arrays and writes them; ``data/shakespeare/prepare.py`` calls
tiktoken's ``encode_ordinary`` on each split.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tiktoken

from ml_playground.dataset.encoding import encode_parts
from ml_playground.dataset.prepare import prepare_dataset
from ml_playground.dataset.prepared import Split
from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.sample import sample_text
from ml_playground.text.char import CharTokenizer
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import Chunks, TextFile
from ml_playground.text.tiktoken import TiktokenTokenizer
from ml_playground.text.tokenizer import Tokenizer

_MEGABYTE = 1_000_000
_MEGABYTES = 100


def measure(rounds: int) -> None:
    """Print the times of both methods for 100 MB of German text, and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        _measure(Path(folder), rounds)


def _measure(folder: Path, rounds: int) -> None:
    path = folder / "german.txt"
    _write_german(path)
    text = path.read_text(encoding="utf-8")
    chunks = list(TextFile(path).chunks())
    letters = CharTokenizer.train([chunks])
    print(f"| {_MEGABYTES} MB of German | nanoGPT's way, s | ml-playground, s | ratio |\n|{'---|' * 4}")
    _compare(
        "char prepare incl. vocabulary", rounds, lambda: _loop_prepare(path, folder), lambda: _prepare(path, folder)
    )
    _compare(
        "char encoding alone", rounds, lambda: _loop_encode(text, letters.characters), lambda: _encode(chunks, letters)
    )
    try:
        gpt2 = TiktokenTokenizer("gpt2")
    except DataError as error:
        print(f"tiktoken: skipped: {error}")
        return
    few, part = chunks[: len(chunks) // 5], b"".join(chunks[: len(chunks) // 5]).decode()
    plain = tiktoken.get_encoding("gpt2")
    _compare(
        f"gpt2 encoding, {sum(map(len, few)) // _MEGABYTE} MB of it",
        rounds,
        lambda: plain.encode_ordinary(part),
        lambda: _encode(few, gpt2),
    )


def _compare(name: str, rounds: int, theirs: Callable[[], object], ours: Callable[[], object]) -> None:
    times = [(_seconds(theirs), _seconds(ours)) for _ in range(rounds)]
    first, second = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"| {name} | {first:.2f} | {second:.2f} | {first / second:.1f}x |", flush=True)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _write_german(path: Path) -> None:
    sample = sample_text().encode()
    with path.open("wb") as file:
        for _ in range(_MEGABYTES * _MEGABYTE // len(sample) + 1):
            file.write(sample)
        file.truncate(_MEGABYTES * _MEGABYTE // len(sample) * len(sample))


def _loop_prepare(path: Path, folder: Path) -> None:
    text = path.read_text(encoding="utf-8")
    characters = "".join(sorted(set(text)))
    cut = int(len(text) * 0.9)
    for name, part in (("train", text[:cut]), ("val", text[cut:])):
        _loop_encode(part, characters).tofile(folder / f"{name}.bin")


def _loop_encode(text: str, characters: str) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    ids = {character: place for place, character in enumerate(characters)}
    return np.array([ids[character] for character in text], dtype=np.uint16)


def _prepare(path: Path, folder: Path) -> None:
    shutil.rmtree(folder / "set", ignore_errors=True)
    prepare_dataset(PrepareConfig(preparer="bench", dataset_dir=folder / "set"), TextFile(path))


def _encode(chunks: list[bytes], tokenizer: Tokenizer) -> int:
    parts: list[tuple[Split, Chunks]] = [("train", iter(chunks))]
    return sum(len(ids) for _, ids in encode_parts(tokenizer, parts, separated=False))
