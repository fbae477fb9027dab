"""A short text by a model in training, to see what its loss means."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import torch

from ml_playground.config import ExperimentConfig
from ml_playground.errors import DataError, DivergedError
from ml_playground.models.base import LanguageModel
from ml_playground.sampling.prompt import displayed, encode_prompt, read_prompt
from ml_playground.sampling.writing import open_streams, write
from ml_playground.terminal.console import say
from ml_playground.text.normalization import normalized
from ml_playground.text.tokenizer import Tokenizer
from ml_playground.training.device import Hardware


class Excerpt:
    """Samples ``train.runtime.sample_tokens`` tokens as ``[sample]`` says, with the same random numbers every time.

    They come from a generator of their own, so that training does not depend on it.
    """

    def __init__(self, config: ExperimentConfig, tokenizer: Tokenizer, hardware: Hardware) -> None:
        """Read and encode the prompt; one that the vocabulary lacks is reported, and there will be no text."""
        self._seed, self._tokenizer, self._hardware = config.sample.runtime.seed, tokenizer, hardware
        tokens = max(1, config.train.runtime.sample_tokens)
        self._config = replace(config.sample.sample, max_new_tokens=tokens, num_samples=1)
        self._ids: list[int] = []
        if config.train.runtime.sample_tokens:
            try:
                self._start = normalized(read_prompt(self._config.start), config.prepare.normalize)
                self._ids = encode_prompt(self._start, tokenizer)
            except DataError as error:
                say(f"no samples during training: {error}")

    def __call__(self, model: LanguageModel) -> str | None:
        """Return the prompt and its continuation; None if there is none, or the model's outputs are not finite."""
        if not self._ids:
            return None
        generator = torch.Generator(self._hardware.device).manual_seed(self._seed)
        streams = open_streams(model, self._tokenizer, self._ids, self._config)
        steps = write(model, self._tokenizer, self._ids, streams, self._config, self._hardware, generator)
        try:
            deque(steps, maxlen=0)
        except DivergedError:
            return None
        return displayed(self._start, self._tokenizer) + streams[0].text
