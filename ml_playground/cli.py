"""``mlp VERB EXPERIMENT``, the same as ``python -m ml_playground.cli``: one step at a time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ml_playground.door import run_command
from ml_playground.errors import UsageError

if TYPE_CHECKING:
    from ml_playground.config import ExperimentConfig

_EXAMPLES = """\
examples:
  mlp loop bundestag_char
  mlp train bundestag_char --exp-config my.toml
  mlp train bundestag_char --exp-config outputs/bundestag_char/config.toml    repeat a run as it was
  mlp sweep bundestag_char --sweep batching                                   search as sweeps/batching.toml says
  mlp runs                                                                    list the runs
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
    """Do what the command line says.

    Raises:
        UsageError: it is not ``VERB EXPERIMENT [--exp-config FILE]``, and ``--sweep NAME`` with the verb ``sweep``.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.verb is None:
        parser.print_help()
        return
    VERBS[options.verb].run(options)


# Imports are in the functions: Hydra, Optuna and torch take seconds, and help needs none of them.


def _load(options: argparse.Namespace) -> ExperimentConfig:
    from ml_playground.composition.load import load_experiment

    return load_experiment(options.experiment, options.exp_config)


def _prepare(options: argparse.Namespace) -> None:
    config = _load(options)
    from ml_playground.runs.prepare import prepare
    from ml_playground.runs.summary import print_summary

    print_summary(prepare(config))


def _train(options: argparse.Namespace) -> None:
    config = _load(options)
    from ml_playground.runs.train import train

    train(config)


def _sample(options: argparse.Namespace) -> None:
    config = _load(options)
    from ml_playground.runs.sample import sample

    sample(config)


def _loop(options: argparse.Namespace) -> None:
    config = _load(options)
    from ml_playground.runs.loop import loop

    loop(config)


def _sweep(options: argparse.Namespace) -> None:
    from ml_playground.sweeping.run import run_sweep
    from ml_playground.sweeping.sweep import load_sweep

    run_sweep(load_sweep(options.sweep, options.experiment, options.exp_config))


def _runs(_options: argparse.Namespace) -> None:
    from ml_playground.runs.listing import print_runs

    print_runs()


class Verb(NamedTuple):
    """What ``mlp`` can do."""

    summary: str
    run: Callable[[argparse.Namespace], None]


VERBS = {
    "prepare": Verb("turn the source text into token files", _prepare),
    "train": Verb("train, or go on training; prepares first where needed", _train),
    "sample": Verb("write text with the best checkpoint", _sample),
    "loop": Verb("prepare, train and sample", _loop),
    "sweep": Verb("search for better values, or go on searching", _sweep),
    "runs": Verb("list all runs: how far, how good, where", _runs),
}


class _Version(argparse.Action):
    def __call__(self, *_arguments: object) -> NoReturn:
        from importlib.metadata import version

        print(f"ml-playground {version('ml-playground')}")
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="mlp", description="One step of an experiment.", epilog=_EXAMPLES, formatter_class=layout)
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB")
    for verb, (summary, _) in VERBS.items():
        one = verbs.add_parser(verb, help=summary, description=summary, epilog=_EXAMPLES, formatter_class=layout)
        if verb == "runs":
            continue
        one.add_argument("experiment", metavar="EXPERIMENT", help="a name from conf/experiment")
        if verb == "sweep":
            one.add_argument("--sweep", required=True, metavar="NAME", help="a name from sweeps")
        one.add_argument(
            "--exp-config",
            type=Path,
            metavar="FILE.toml",
            help="use this file in place of conf/experiment/EXPERIMENT.toml",
        )
    return parser


if __name__ == "__main__":
    main()
