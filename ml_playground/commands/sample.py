"""``mlp sample EXPERIMENT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, trained_experiment, verbs


def run(options: argparse.Namespace) -> None:
    """Generate samples."""
    config = trained_experiment(options)
    from ml_playground.sampling.sample import sample

    sample(config)


verbs.register("sample")(Verb("write text with the best checkpoint", run))
