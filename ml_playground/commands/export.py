"""``mlp export EXPERIMENT --to FORMAT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment_arguments, trained_experiment, verbs


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the experiment arguments and ``--to``."""
    experiment_arguments(parser)
    parser.add_argument("--to", required=True, choices=["hf"], help="hf: a folder for transformers")


def run(options: argparse.Namespace) -> None:
    """Export the checkpoint that sampling uses."""
    config = trained_experiment(options)
    from ml_playground.exporting.export import export_hugging_face

    export_hugging_face(config)


verbs.register("export")(Verb("write the model for other programs, and verify it there", run, arguments))
