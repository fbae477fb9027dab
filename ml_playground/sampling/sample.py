"""Sampling from trained models."""

from __future__ import annotations

import copy
import sys
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

import torch

from ml_playground.config import ExperimentConfig
from ml_playground.durable import write_text
from ml_playground.errors import CheckpointError, DataError
from ml_playground.experiments.prepare import prepare
from ml_playground.sampling.config import SamplingConfig
from ml_playground.sampling.decoding import for_decoding
from ml_playground.sampling.prompt import displayed, encode_prompt, read_prompt
from ml_playground.sampling.streaming import TextStream
from ml_playground.sampling.writing import open_streams, write
from ml_playground.terminal.console import say
from ml_playground.text.normalization import normalized
from ml_playground.text.tokenizer import Tokenizer
from ml_playground.training.config import Device, Dtype
from ml_playground.training.device import choose_hardware
from ml_playground.training.loading import Trained, load_trained

_SEPARATOR = "\n---------------\n"
_MOST_PADDING = 128
"""Maximum vocabulary padding: nanoGPT pads GPT-2's 50,257 tokens to 50,304, a multiple of 64."""


def sample(config: ExperimentConfig) -> None:
    """Stream samples from the best checkpoint to standard output, and save them to ``samples/``.

    Raises:
        RunFolderError: If there is no checkpoint.
        CheckpointError: If no checkpoint can be used.
        UserError: If the model is to be sampled without adapters, and has none.
        DataError: If the prompt has characters that the vocabulary lacks.
    """
    runtime, wanted = config.sample.runtime, config.sample.sample
    start = normalized(read_prompt(wanted.start), config.prepare.normalize)
    trained = load_trained(runtime.out_dir, runtime.checkpoint)
    for problem in trained.rejected:
        say(f"warning: {problem}; using another checkpoint")
    if not runtime.adapters:
        trained.model.disable_adapters()
    tokenizer = tokenizer_of(trained, config)
    prompt = encode_prompt(start, tokenizer)
    hardware = choose_hardware(runtime.device, runtime.dtype, table="sample.runtime")
    say(f"sampling: {trained.path}, step {trained.step:,}, on {hardware}")
    generator = torch.Generator(hardware.device).manual_seed(runtime.seed)
    streams = open_streams(trained.model, tokenizer, prompt, wanted)
    start = displayed(start, tokenizer)
    screen = _Screen(start, streams)
    for _ in write(for_decoding(trained.model, hardware), tokenizer, prompt, streams, wanted, hardware, generator):
        screen.update()
    print()
    path = _new_file(runtime.out_dir / "samples", f"{datetime.now(UTC):%Y%m%d-%H%M%S}-step{trained.step:06d}")
    write_text(path, _SEPARATOR.join(start + stream.text for stream in streams) + "\n")
    say(f"saved: {path}")


def tokenizer_of(trained: Trained, config: ExperimentConfig) -> Tokenizer:
    """Return the checkpoint's tokenizer or, for nanoGPT's, which has none, that of the experiment's data.

    Raises:
        DataError: If the vocabularies of nanoGPT's checkpoint and of the data differ in size.
    """
    if trained.tokenizer:
        return trained.tokenizer
    tokenizer = prepare(config).tokenizer
    # nanoGPT's character vocabularies lack the end-of-text token, which is the last one here; its GPT-2 vocabulary is
    # padded.
    known = tokenizer.vocab_size - (tokenizer.end_of_text is not None)
    sizes = range(known, known + 1)
    if tokenizer.state["kind"] == "tiktoken":
        sizes = range(tokenizer.vocab_size, tokenizer.vocab_size + _MOST_PADDING)
    if trained.model.vocab_size not in sizes:
        raise DataError(
            f"{trained.path}: has a vocabulary of {trained.model.vocab_size}, and the data of {config.experiment} one"
            f" of {sizes[0]}; set [prepare] to the text and the tokenizer that the model was trained with"
        )
    return tokenizer


def generate_text(
    trained: Trained, prompt: str, config: SamplingConfig | None = None, *, seed: int = 1337, dtype: str = "auto"
) -> list[str]:
    """Generate ``config.num_samples`` texts that start with a prompt; ``config.start`` is ignored.

    Raises:
        DataError: If the prompt is empty, or has characters that the vocabulary lacks.
        CheckpointError: If the checkpoint is from nanoGPT, which does not save a tokenizer.
    """
    config = config or SamplingConfig()
    if not trained.tokenizer:
        raise CheckpointError(f"{trained.path}: has no tokenizer; sample with an experiment on its data")
    tokenizer = trained.tokenizer
    hardware = choose_hardware(Device.auto, Dtype[dtype], table="sample.runtime")
    ids = encode_prompt(read_prompt(prompt), tokenizer)
    streams = open_streams(trained.model, tokenizer, ids, config)
    generator = torch.Generator(hardware.device).manual_seed(seed)
    model = for_decoding(copy.deepcopy(trained.model), hardware)
    deque(write(model, tokenizer, ids, streams, config, hardware, generator), maxlen=0)
    return [displayed(prompt, tokenizer) + stream.text for stream in streams]


def _new_file(folder: Path, stem: str) -> Path:
    """Create an empty file with a unique name, even if another process samples in the same second."""
    folder.mkdir(exist_ok=True)
    path, number = folder / f"{stem}.txt", 1
    while True:
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
            path = folder / f"{stem}-{number}.txt"
        else:
            return path


class _Screen:
    """Streams samples to standard output in order, each once the previous ones are complete."""

    def __init__(self, start: str, streams: list[TextStream]) -> None:
        self._start = start
        self._waiting = deque(streams)
        self._shown = 0
        sys.stdout.write(start)

    def update(self) -> None:
        """Print new text."""
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
