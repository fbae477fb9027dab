"""``mlp loop EXPERIMENT``, equivalent to ``mlp-run``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from ml_playground.commands.verb import Verb, experiment, verbs

if TYPE_CHECKING:
    from ml_playground.config import ExperimentConfig


def loop(config: ExperimentConfig) -> None:
    """Prepare, train, then sample, and export where ``[export.ollama] enabled`` says so.

    Raises:
        PlaygroundError: As for :func:`~ml_playground.runs.train.train` and
            :func:`~ml_playground.sampling.sample.sample`, and
            :func:`~ml_playground.exporting.export.export`.
    """
    from ml_playground.runs.seeds.configs import with_best_seed
    from ml_playground.runs.train import train
    from ml_playground.sampling.sample import sample

    train(config)
    config = with_best_seed(config)
    sample(config)
    if config.export.ollama.enabled:
        from ml_playground.exporting.export import export

        export(config, "ollama")


def run(options: argparse.Namespace) -> None:
    """Run the subcommand."""
    loop(experiment(options))


verbs.register("loop")(Verb("prepare, train and sample", run))
