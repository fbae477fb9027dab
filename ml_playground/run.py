"""``mlp-run experiment=NAME [sweep=NAME]``: run an experiment or a sweep as its files define it."""

from __future__ import annotations

import sys
from typing import NoReturn

from ml_playground.commands.exit import run_command
from ml_playground.errors import UsageError

USAGE = """\
usage: mlp-run experiment=NAME [sweep=NAME]

Prepares the data, trains, and samples, as conf/experiment/NAME.toml says. What is done already is not done again:
an interrupted run is resumed, a finished one is sampled. Results go to outputs/NAME.
With a sweep, it searches what sweeps/NAME.toml says, in outputs/sweeps; an interrupted search is resumed as well.

examples:
  mlp-run                                             list the experiments and the sweeps
  mlp-run experiment=bundestag_char                   run one
  mlp-run experiment=bundestag_char sweep=batching    search for better values
  mlp train bundestag_char                            one step of it (see mlp --help)

Values are set in files only: copy an experiment, or inherit one with  defaults = ["bundestag_char"]  at the top.
"""


def main() -> NoReturn:
    """Entry point of ``mlp-run``."""
    run_command(lambda: run(sys.argv[1:]))


def run(tokens: list[str]) -> None:
    """Run the command line.

    Raises:
        UsageError: it is not ``experiment=NAME [sweep=NAME]``.
    """
    if any(token in ("-h", "--help") for token in tokens):
        print(USAGE)
        return
    if not tokens:
        from ml_playground.commands.listing import experiment_lines, sweep_lines

        print(f"Run one with  mlp-run experiment=NAME\n\n{experiment_lines()}")
        print(f"\nSearch for better values with  mlp-run experiment=NAME sweep=NAME\n\n{sweep_lines()}")
        return
    name, sweep = _selections(tokens)

    # Imported here because Hydra, Optuna and torch take seconds to import, and help and listings need none of them.
    if sweep is not None:
        from ml_playground.sweeping.run import run_sweep
        from ml_playground.sweeping.sweep import load_sweep

        run_sweep(load_sweep(sweep, name))
        return
    from ml_playground.composition.load import load_experiment

    config = load_experiment(name)
    from ml_playground.commands.loop import loop

    loop(config)


def _selections(tokens: list[str]) -> tuple[str, str | None]:
    """Return the experiment, and the sweep if there is one."""
    names: dict[str, list[str]] = {"experiment": [], "sweep": []}
    for token in tokens:
        key, equals, value = token.partition("=")
        if not equals or key not in names:
            raise UsageError(f"{token}: {_fix(key, equals)}")
        names[key].append(value)
    if len(names["experiment"]) != 1:
        raise UsageError(f"{' '.join(tokens)}: name one experiment, as in  mlp-run experiment=bundestag_char")
    if len(names["sweep"]) > 1:
        raise UsageError(f"{' '.join(tokens)}: name one sweep at most, as in  sweep=batching")
    return names["experiment"][0], next(iter(names["sweep"]), None)


def _fix(key: str, equals: str) -> str:
    table, dot, name = key.lstrip("+~").rpartition(".")
    if key.startswith("-"):
        return "there are no options but --help; everything else is written in conf/experiment/NAME.toml"
    if equals and dot:
        return (
            f"values are not set on the command line; write '{name} = ...' under [{table}] in conf/experiment/NAME.toml"
        )
    if equals:
        return "only experiment=NAME and sweep=NAME can be given here; all else is written in conf/experiment/NAME.toml"
    return f"did you mean  mlp-run experiment={key}  ?"
