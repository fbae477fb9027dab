"""``mlp show RUN``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, verbs

_EXAMPLES = """\
examples:
  mlp show outputs/bundestag_char    results, curve, sample, checkpoints, and what to do next
  mlp show bundestag_char            below outputs, the name suffices
  mlp show bundestag_char --json     for programs, see docs/automation.md
"""


def run_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``RUN``."""
    parser.add_argument("run", metavar="RUN", help="folder of a run, or its name below outputs")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    run_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Show a run."""
    from ml_playground.runs.details import find_details
    from ml_playground.runs.details_text import print_details
    from ml_playground.runs.json_output import details_record, print_json

    details = find_details(options.run)
    if options.json:
        print_json(details_record(details))
    else:
        print_details(details)


verbs.register("show")(Verb("show one run: results, curve, sample, checkpoints", run, arguments, _EXAMPLES))
