"""``mlp train EXPERIMENT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment, verbs


def run(options: argparse.Namespace) -> None:
    """Train, or resume training."""
    config = experiment(options)
    from ml_playground.runs.train import train

    train(config)


verbs.register("train")(Verb("train, or resume training; prepares first where needed", run))
