"""``[sample]``: which run to sample from, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
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
    adapters: bool = True
    """Sample with what finetuning has added; if false, from the pretrained model as it was."""
    seed: int = bounded(1337, ge=0, lt=2**63)
    device: Device = SI("${train.runtime.device}")
    dtype: Dtype = SI("${train.runtime.dtype}")


@dataclass(frozen=True)
class TokenSampling:
    """How the next token is drawn. The fields are those of :class:`SamplingConfig`, with their defaults."""

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0


@dataclass
class SamplingConfig:
    """``[sample.sample]``: generation settings.

    Unset ones are those of a pretrained model's ``generation_config.json``, where it has them.
    """

    start: str = "\n"
    """Prompt; ``FILE:prompt.txt`` reads it from a file. Line endings are normalized as in training text."""
    num_samples: int = bounded(1, ge=1, le=100_000)
    max_new_tokens: int = bounded(500, ge=1, le=100_000_000)
    temperature: float | None = bounded(None, ge=0)
    """Softmax temperature; 0 is greedy decoding. Defaults to 0.8."""
    top_k: int | None = bounded(None, ge=0)
    """Keep the k most likely tokens; 0, the default, keeps all."""
    top_p: float | None = bounded(None, gt=0, le=1)
    """Nucleus sampling: keep the most likely tokens whose cumulative probability reaches this; 1, the default, keeps
    all."""
    min_p: float | None = bounded(None, ge=0, le=1)
    """Keep tokens with at least this fraction of the probability of the most likely token; 0, the default, keeps
    all."""
    repetition_penalty: float | None = bounded(None, gt=0, le=1000)
    """Penalizes tokens that already occur in the prompt or sample; 1, the default, means no penalty, 1.1 to 1.3 is
    typical."""
    stop: list[str] = field(default_factory=list[str])
    """Stop strings: a sample ends before the first occurrence of any of them."""

    def token_sampling(self, model: Mapping[str, float]) -> TokenSampling:
        """Return how tokens are drawn: as set here, else as the model's own settings have it, else by default."""
        names = [one.name for one in fields(TokenSampling)]
        own: dict[str, float | None] = {name: vars(self)[name] for name in names}
        known = {name: model[name] for name in names if name in model}
        wanted = {**known, **{name: value for name, value in own.items() if value is not None}}
        return TokenSampling(**wanted)  # type: ignore[arg-type]  # by the names of its fields


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
    if sampling.temperature and sampling.temperature < _LEAST_TEMPERATURE:
        raise SettingError(
            ("sample.sample.temperature",),
            f"temperature = {sampling.temperature} is too small to divide by; 0 always takes the likeliest token",
        )
    if sampling.repetition_penalty and sampling.repetition_penalty < _LEAST_PENALTY:
        raise SettingError(
            ("sample.sample.repetition_penalty",),
            f"repetition_penalty = {sampling.repetition_penalty} is too small to divide by; 1 means no penalty",
        )
    if "" in sampling.stop:
        raise SettingError(("sample.sample.stop",), "an empty string would stop every sample at once; remove it")
