"""``mlp runs``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, verbs
from ml_playground.errors import UsageError

_EXAMPLES = """\
examples:
  mlp runs                                  all runs in outputs, grouped by experiment, best first
  mlp runs outputs/sweeps/tiny-batching     the trials of a sweep with their values
  mlp runs --all                            every trial and every seed, and what is archived
  mlp runs --json                           for programs, see docs/automation.md
  mlp runs outputs/old --archive            hide these runs; --unarchive shows them again

The best of a run is its lowest validation loss. Runs with different tokenizers are ranked by bits per byte of text.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path",
        nargs="?",
        metavar="PATH",
        help="folder to search, by its path or its name in outputs; outputs by default",
    )
    parser.add_argument("--all", action="store_true", help="also list each trial, each seed and archived runs")
    parser.add_argument("--json", action="store_true", help="print JSON")
    archiving = parser.add_mutually_exclusive_group()
    archiving.add_argument("--archive", action="store_true", help="hide the runs in PATH from listings")
    archiving.add_argument("--unarchive", action="store_true", help="show the runs in PATH again")


def run(options: argparse.Namespace) -> None:
    """List all runs."""
    from ml_playground.runs.groups import find_folder
    from ml_playground.runs.listing import OUTPUTS, find_runs
    from ml_playground.runs.notes import archive
    from ml_playground.runs.overview import print_runs
    from ml_playground.terminal.console import say

    root = find_folder(options.path) if options.path else OUTPUTS
    if options.archive or options.unarchive:
        if not options.path:
            raise UsageError("mlp runs --archive: name the folder of the runs, as in  mlp runs outputs/old --archive")
        runs = find_runs(root)
        for one in runs:
            archive(one.folder, archived=options.archive)
        say(f"{len(runs)} runs in {root} are {'archived' if options.archive else 'no longer archived'}")
    elif options.json:
        from ml_playground.runs.json_output import print_runs_json

        print_runs_json(root, archived=options.all)
    else:
        print_runs(root, every=options.all, archived=options.all)


verbs.register("runs")(Verb("list all runs: how far, how good, where", run, arguments, _EXAMPLES))
