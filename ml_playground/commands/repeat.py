"""``mlp repeat RUN``."""

from __future__ import annotations

import argparse

from ml_playground.commands.show import run_argument
from ml_playground.commands.verb import Verb, verbs
from ml_playground.errors import printable

_EXAMPLES = """\
examples:
  mlp repeat outputs/bundestag_char    trains it again in outputs/bundestag_char-repeat, and compares every bit

The original is only read. Settings and seed are those of its config.toml. An interrupted repetition is resumed.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    run_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(options: argparse.Namespace) -> None:
    """Repeat a run."""
    from ml_playground.runs.json_output import print_json, repetition_record
    from ml_playground.runs.repeat import repeat

    result = repeat(options.run)
    if options.json:
        print_json(repetition_record(result))
    else:
        print(printable(result.text))


verbs.register("repeat")(Verb("train a run again, and tell whether the result is bit-equal", run, arguments, _EXAMPLES))
