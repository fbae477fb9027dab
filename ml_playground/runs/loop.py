"""The verb ``loop``: prepare, train, sample."""

from __future__ import annotations

from ml_playground.config import ExperimentConfig
from ml_playground.runs.sample import sample
from ml_playground.runs.train import train


def loop(config: ExperimentConfig) -> None:
    """Train, which prepares first, then sample.

    Raises:
        PlaygroundError: as the verbs do.
    """
    train(config)
    sample(config)
