"""``mlp export EXPERIMENT --to FORMAT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment_arguments, trained_experiment, verbs

_EXAMPLES = """\
examples:
  mlp export bundestag_char --to hf        a folder for transformers
  mlp export bundestag_char --to gguf      a file for llama.cpp
  mlp export bundestag_char --to ollama    such a file with a Modelfile; ollama create is run where Ollama is installed

The best checkpoint is exported, or the one that [sample.runtime] checkpoint names, to outputs/bundestag_char/export.
The result is run in the other program: if it does not agree with the model, it is moved aside, and the exit code is 1.
Settings are in [export] and [export.ollama]; see docs/exporting.md.
"""


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


verbs.register("export")(Verb("write the model for other programs, and verify it there", run, arguments, _EXAMPLES))
