"""The verb ``sample``."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import torch

from ml_playground.config import ExperimentConfig
from ml_playground.console import say
from ml_playground.durable import write_text
from ml_playground.errors import DataError
from ml_playground.runs.prepare import prepare
from ml_playground.sampling.decoding import for_decoding
from ml_playground.sampling.generation import generate
from ml_playground.sampling.loading import Trained, load_trained
from ml_playground.sampling.streaming import TextStream
from ml_playground.text.tokenizer import Tokenizer
from ml_playground.training.device import choose_hardware

_SEPARATOR = "\n---------------\n"


def sample(config: ExperimentConfig) -> None:
    """Write samples of the best checkpoint to standard output as they come, and into ``samples/``.

    Raises:
        RunFolderError: there is no checkpoint.
        CheckpointError: there is none that can be used.
        DataError: the prompt has characters that the vocabulary lacks.
    """
    runtime, wanted = config.sample.runtime, config.sample.sample
    trained = load_trained(runtime.out_dir)
    for problem in trained.rejected:
        say(f"warning: {problem}; using another checkpoint")
    tokenizer = _tokenizer(trained, config)
    try:
        prompt = torch.from_numpy(tokenizer.encode(wanted.start).astype("int64"))
    except DataError as error:
        raise DataError(f"sample.sample.start: {error}; use characters of the training text") from None
    if len(prompt) == 0:
        raise DataError("sample.sample.start: is empty; give at least one character to go on from")
    hardware = choose_hardware(runtime.device, runtime.dtype)
    say(f"sampling: {trained.path}, step {trained.step:,}, on {hardware}")
    model = for_decoding(trained.model, hardware)
    vocab_size = min(tokenizer.vocab_size, model.vocab_size)
    generator = torch.Generator(hardware.device).manual_seed(runtime.seed)
    streams = [TextStream(tokenizer, wanted.stop) for _ in range(wanted.num_samples)]
    screen = _Screen(wanted.start, streams)
    with hardware.autocast():
        steps = generate(model, prompt.to(hardware.device), vocab_size, wanted, generator, wanted.num_samples)
        for step in steps:
            for stream, token in zip(streams, step, strict=True):
                stream.push(token)
            screen.update()
            if all(stream.done for stream in streams):
                break
    for stream in streams:
        stream.finish()
    screen.update()
    print()
    path = _new_file(runtime.out_dir / "samples", f"{datetime.now(UTC):%Y%m%d-%H%M%S}-step{trained.step:06d}")
    write_text(path, _SEPARATOR.join(wanted.start + stream.text for stream in streams) + "\n")
    say(f"saved: {path}")


def _new_file(folder: Path, stem: str) -> Path:
    """A file that no other process has, even one that samples in the same second; created empty."""
    folder.mkdir(exist_ok=True)
    for number in itertools.count(1):
        path = folder / f"{stem}{f'-{number}' if number > 1 else ''}.txt"
        with contextlib.suppress(FileExistsError):
            path.touch(exist_ok=False)
            break
    return path


class _Screen:
    """Shows samples one below the other: each as it comes, once those before it have ended."""

    def __init__(self, start: str, streams: list[TextStream]) -> None:
        self._start = start
        self._waiting = deque(streams)
        self._shown = 0
        sys.stdout.write(start)

    def update(self) -> None:
        """Show what is new."""
        while True:
            stream = self._waiting[0]
            sys.stdout.write(stream.text[self._shown :])
            self._shown = len(stream.text)
            if not stream.done or len(self._waiting) == 1:
                break
            self._waiting.popleft()
            self._shown = 0
            sys.stdout.write(f"{_SEPARATOR}{self._start}")
        sys.stdout.flush()


def _tokenizer(trained: Trained, config: ExperimentConfig) -> Tokenizer:
    """The checkpoint's own; for nanoGPT's, which has none, the one of this experiment's data."""
    if trained.tokenizer:
        return trained.tokenizer
    tokenizer = prepare(config).tokenizer
    # GPT-2's vocabulary is padded to 50,304 by nanoGPT, so a larger model is right. Its vocabularies of characters do
    # not have the end-of-text token that is the last one here.
    if tokenizer.vocab_size - 1 > trained.model.vocab_size:
        raise DataError(
            f"{trained.path}: has a vocabulary of {trained.model.vocab_size}, and the data of {config.experiment}"
            f" one of {tokenizer.vocab_size}; set [prepare] to the text that the model was trained on"
        )
    return tokenizer
