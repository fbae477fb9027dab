"""``mlp sweep EXPERIMENT --sweep NAME``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment_arguments, verbs


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the experiment arguments and ``--sweep``."""
    experiment_arguments(parser)
    parser.add_argument("--sweep", required=True, metavar="NAME", help="a name from sweeps")


def run(options: argparse.Namespace) -> None:
    """Run or resume a sweep."""
    from ml_playground.sweeping.run import run_sweep
    from ml_playground.sweeping.sweep import load_sweep

    run_sweep(load_sweep(options.sweep, options.experiment, options.exp_config))


verbs.register("sweep")(Verb("search for better values, or resume a search", run, arguments))
