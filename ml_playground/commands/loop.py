"""``mlp loop EXPERIMENT``, which is what ``mlp-run`` does."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ml_playground.commands.verb import Verb, experiment, verbs

if TYPE_CHECKING:
    from ml_playground.config import ExperimentConfig


def loop(config: ExperimentConfig) -> None:
    """Train, which prepares first, then sample.

    Raises:
        PlaygroundError: as both do.
    """
    from ml_playground.runs.train import train
    from ml_playground.sampling.sample import sample

    train(config)
    sample(config)


def run(options: argparse.Namespace) -> None:
    """Prepare, train and sample."""
    loop(experiment(options))


verbs.register("loop")(Verb("prepare, train and sample", run))
