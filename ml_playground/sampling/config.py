"""``[sample]``: which run to sample from, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import SI

from ml_playground.ranges import SettingError, bounded
from ml_playground.training.config import Device, Dtype

_LEAST_PENALTY = 1e-3
_LEAST_TEMPERATURE = 1e-30
"""Dividing logits by a smaller temperature overflows float32."""


@dataclass
class SampleRuntimeConfig:
    """``[sample.runtime]``: which run to sample from, and on which device."""

    out_dir: Path = SI("${train.runtime.out_dir}")
    """Run folder whose checkpoint is used: the best one, or the last if there is no best."""
    checkpoint: Path | None = None
    """A checkpoint file to use instead, such as ``outputs/x/ckpt_step000100.pt``, or nanoGPT's ``ckpt.pt``."""
    seed: int = bounded(1337, ge=0, lt=2**63)
    device: Device = SI("${train.runtime.device}")
    dtype: Dtype = SI("${train.runtime.dtype}")


@dataclass
class SamplingConfig:
    """``[sample.sample]``: generation settings."""

    start: str = "\n"
    """Prompt; ``FILE:prompt.txt`` reads it from a file. Line endings are normalized as in training text."""
    num_samples: int = bounded(1, ge=1, le=100_000)
    max_new_tokens: int = bounded(500, ge=1, le=100_000_000)
    temperature: float = bounded(0.8, ge=0)
    """Softmax temperature; 0 is greedy decoding."""
    top_k: int = bounded(0, ge=0)
    """Keep the k most likely tokens; 0 keeps all."""
    top_p: float = bounded(1.0, gt=0, le=1)
    """Nucleus sampling: keep the most likely tokens whose cumulative probability reaches this; 1 keeps all."""
    min_p: float = bounded(0.0, ge=0, le=1)
    """Keep tokens with at least this fraction of the probability of the most likely token; 0 keeps all."""
    repetition_penalty: float = bounded(1.0, gt=0, le=1000)
    """Penalizes tokens that already occur in the prompt or sample; 1 means no penalty, 1.1 to 1.3 is typical."""
    stop: list[str] = field(default_factory=list[str])
    """Stop strings: a sample ends before the first occurrence of any of them."""


@dataclass
class SampleConfig:
    """``[sample]``."""

    runtime: SampleRuntimeConfig = field(default_factory=SampleRuntimeConfig)
    sample: SamplingConfig = field(default_factory=SamplingConfig)


def check_sampling(sampling: SamplingConfig) -> None:
    """Check sampling settings.

    Raises:
        SettingError: If a setting is invalid.
    """
    if 0 < sampling.temperature < _LEAST_TEMPERATURE:
        raise SettingError(
            ("sample.sample.temperature",),
            f"temperature = {sampling.temperature} is too small to divide by; 0 always takes the likeliest token",
        )
    if sampling.repetition_penalty < _LEAST_PENALTY:
        raise SettingError(
            ("sample.sample.repetition_penalty",),
            f"repetition_penalty = {sampling.repetition_penalty} is too small to divide by; 1 means no penalty",
        )
    if "" in sampling.stop:
        raise SettingError(("sample.sample.stop",), "an empty string would stop every sample at once; remove it")
