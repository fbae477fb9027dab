"""``mlp loop EXPERIMENT``, equivalent to ``mlp-run``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ml_playground.commands.verb import Verb, experiment, verbs

if TYPE_CHECKING:
    from ml_playground.config import ExperimentConfig


def loop(config: ExperimentConfig) -> None:
    """Prepare, train, then sample.

    Raises:
        PlaygroundError: As for :func:`~ml_playground.runs.train.train` and
            :func:`~ml_playground.sampling.sample.sample`.
    """
    from ml_playground.runs.seeds import with_best_seed
    from ml_playground.runs.train import train
    from ml_playground.sampling.sample import sample

    train(config)
    sample(with_best_seed(config))


def run(options: argparse.Namespace) -> None:
    """Run the subcommand."""
    loop(experiment(options))


verbs.register("loop")(Verb("prepare, train and sample", run))
