"""``mlp VERB EXPERIMENT``, the same as ``python -m ml_playground.cli``: run a single step of an experiment."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from ml_playground.commands.exit import run_command
from ml_playground.commands.verb import verbs
from ml_playground.errors import UsageError

_EXAMPLES = """\
examples:
  mlp loop bundestag_char
  mlp train bundestag_char --exp-config my.toml
  mlp sweep bundestag_char --sweep batching                                   search as sweeps/batching.toml says
  mlp runs                                                                    list the runs
  mlp show bundestag_char                                                     one run, and what can be done with it
  mlp export bundestag_char --to hf                                           write the model for other programs
  mlp compare bundestag_char wide                                             which is better, and is that noise?
  mlp-run                                                                     list the experiments and the sweeps

Values are set in files only. Results go to outputs/EXPERIMENT, and those of sweeps to outputs/sweeps.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help")


def main() -> NoReturn:
    """Entry point of ``mlp``."""
    run_command(lambda: run(sys.argv[1:]))


def run(arguments: list[str]) -> None:
    """Run the command line.

    Raises:
        UsageError: it is not ``VERB EXPERIMENT [--exp-config FILE]``, plus ``--sweep NAME`` for the verb ``sweep``.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.verb is None:
        parser.print_help()
        return
    verbs.get(options.verb).run(options)


class _Version(argparse.Action):
    def __call__(self, *_arguments: object) -> NoReturn:
        from importlib.metadata import version

        print(f"ml-playground {version('ml-playground')}")
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="mlp", description="One step of an experiment.", epilog=_EXAMPLES, formatter_class=layout)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB")
    for name, verb in verbs.all().items():
        one = subparsers.add_parser(
            name,
            help=verb.summary,
            description=verb.summary,
            epilog=verb.examples or _EXAMPLES,
            formatter_class=layout,
        )
        verb.arguments(one)
    return parser


if __name__ == "__main__":
    main()
