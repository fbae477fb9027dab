"""``mlp clean [RUN ...]``."""

from __future__ import annotations

import argparse
import sys

from ml_playground.commands.verb import Verb, verbs
from ml_playground.errors import UsageError

_EXAMPLES = """\
examples:
  mlp clean                    list what nothing needs, ask, and move it to outputs/.trash
  mlp clean outputs/old        move this run there
  mlp clean --yes              do not ask
  mlp clean --empty-trash      delete what is in outputs/.trash

Without names: archived runs (mlp runs PATH --archive), checkpoints that no setting keeps, prepared data that no run in
outputs uses, and temporary files of killed processes. A run at work, a trial of a sweep, and a run that a page, another
run or a settings file refers to are kept, and so is every file that this program did not write.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("runs", nargs="*", metavar="RUN", help="folder of a run, or its name below outputs")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--empty-trash", action="store_true", help="delete what is in outputs/.trash")
    parser.add_argument("--json", action="store_true", help="print JSON; without --yes nothing is moved")


def run(options: argparse.Namespace) -> None:
    """Move leftovers to the trash, or empty it."""
    from ml_playground.runs.leftovers import find_leftovers, named_runs
    from ml_playground.runs.listing import OUTPUTS

    if options.empty_trash:
        if options.runs:
            raise UsageError("mlp clean --empty-trash: names no run; the whole trash is deleted")
        _empty(options)
        return
    leftovers = named_runs(OUTPUTS, options.runs) if options.runs else find_leftovers(OUTPUTS)
    from ml_playground.runs.cleaning import move_to_trash, print_leftovers
    from ml_playground.runs.json_output import leftovers_record, print_json
    from ml_playground.terminal.console import say
    from ml_playground.terminal.numbers import short

    if not options.json:
        print_leftovers(leftovers)
    agreed = bool(leftovers) and (options.yes or (not options.json and _agreed("move them to outputs/.trash?")))
    trash, moved = move_to_trash(OUTPUTS, leftovers) if agreed else (None, 0)
    if options.json:
        print_json(leftovers_record(leftovers, trash, moved))
    if trash:
        say(f"moved {short(moved, 'B')} to {trash}; mlp clean --empty-trash  deletes it")


def _empty(options: argparse.Namespace) -> None:
    from ml_playground.runs.cleaning import empty_trash
    from ml_playground.runs.json_output import FORMAT, print_json
    from ml_playground.runs.leftovers import size
    from ml_playground.runs.listing import OUTPUTS, TRASH
    from ml_playground.terminal.numbers import short

    trash = OUTPUTS / TRASH
    promised = size(trash) if trash.is_dir() else 0
    if not options.json:
        print(f"{trash}: {short(promised, 'B')}")
    agreed = options.yes or (promised and not options.json and _agreed("delete them for good?"))
    freed = empty_trash(OUTPUTS) if agreed else 0
    if options.json:
        print_json({"format": FORMAT, "bytes": promised, "freed": freed})
    elif agreed:
        print(f"freed {short(freed, 'B')}")


def _agreed(question: str) -> bool:
    """Ask on a terminal; without one, nothing is done."""
    if not sys.stdin.isatty():
        print("nothing is done without --yes, as there is no terminal to ask")
        return False
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


verbs.register("clean")(Verb("move what nothing needs to the trash", run, arguments, _EXAMPLES))
