"""``mlp export EXPERIMENT --to FORMAT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment_arguments, trained_experiment, verbs


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the experiment arguments and ``--to``."""
    experiment_arguments(parser)
    parser.add_argument(
        "--to",
        required=True,
        choices=["hf", "gguf", "ollama"],
        help="a folder for transformers, a file for llama.cpp, or such a file with a Modelfile for Ollama",
    )


def run(options: argparse.Namespace) -> None:
    """Export the checkpoint that sampling uses."""
    config = trained_experiment(options)
    from ml_playground.exporting.export import export

    export(config, options.to)


verbs.register("export")(Verb("write the model for other programs, and verify it there", run, arguments))
