"""``mlp sample EXPERIMENT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment, verbs


def run(options: argparse.Namespace) -> None:
    """Generate samples."""
    config = experiment(options)
    from ml_playground.sampling.sample import sample

    sample(config)


verbs.register("sample")(Verb("write text with the best checkpoint", run))
