"""``mlp compare RUN RUN [RUN ...]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ml_playground.commands.verb import Verb, verbs

_EXAMPLES = """\
examples:
  mlp compare outputs/a outputs/b               the folders of two runs; below outputs, the names a and b suffice
  mlp compare wide narrow                       folders with runs of several seeds: with a test of significance
  mlp compare a b c --html comparison.html      a page with curves, settings and samples, for sharing
  mlp compare a b --json                        for programs, see docs/automation.md

The others are compared with the first. Several seeds: [train.runtime] seeds = [1, 2, 3]. See docs/comparing.md.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, or of runs with several seeds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with curves")


def run(options: argparse.Namespace) -> None:
    """Compare runs."""
    from ml_playground.runs.comparison import compare
    from ml_playground.runs.comparison_text import print_comparison
    from ml_playground.runs.json_output import comparison_record, print_json
    from ml_playground.runs.page.render import write_page
    from ml_playground.terminal.console import say

    comparison = compare(options.runs)
    if options.html:
        write_page(comparison, options.html)
        say(f"page: {options.html}")
    if options.json:
        print_json(comparison_record(comparison))
    else:
        print_comparison(comparison)


verbs.register("compare")(
    Verb("compare runs: what differs, which is better, whether it is noise", run, arguments, _EXAMPLES)
)
