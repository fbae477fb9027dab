"""``mlp prepare EXPERIMENT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment, verbs


def run(options: argparse.Namespace) -> None:
    """Create the token files and print a summary."""
    config = experiment(options)
    from ml_playground.dataset.summary import print_summary
    from ml_playground.experiments.prepare import prepare

    print_summary(prepare(config))


verbs.register("prepare")(Verb("turn the source text into token files", run))
