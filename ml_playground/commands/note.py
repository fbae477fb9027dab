"""``mlp note RUN TEXT``."""

from __future__ import annotations

import argparse

from ml_playground.commands.show import run_argument
from ml_playground.commands.verb import Verb, verbs
from ml_playground.errors import UsageError

_EXAMPLES = """\
examples:
  mlp note bundestag_char "the loss spikes at step 800"    mlp show and comparison pages show it
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    run_argument(parser)
    parser.add_argument("text", metavar="TEXT", help="what to remember about the run")


def run(options: argparse.Namespace) -> None:
    """Add a note to a run."""
    from ml_playground.runs.groups import load_run
    from ml_playground.runs.notes import add_note
    from ml_playground.terminal.console import say

    if not options.text.strip():
        raise UsageError('mlp note: the text is empty; write something, as in  mlp note bundestag_char "good"')
    folder = load_run(options.run).folder
    add_note(folder, options.text)
    say(f"noted: {folder}")


verbs.register("note")(Verb("add a note to a run", run, arguments, _EXAMPLES))
