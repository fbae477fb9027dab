"""``mlp sweep EXPERIMENT --sweep NAME``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, experiment_arguments, verbs

_EXAMPLES = """\
examples:
  mlp sweep bundestag_char --sweep batching           search, or resume a search that was stopped
  mlp sweep bundestag_char --sweep batching --json    the results for programs; trains only what is not done yet

A sweep file, sweeps/NAME.toml, has for example:
  n_trials = 20
  confirm = { top = 1, seeds = 3 }     train the best and your own values again, on fresh seeds
  extend = { top = 1, factor = 4 }     then train them on, to 4 times the tokens (wsd or constant schedules)
  [space]
  train.optim.learning_rate = { low = 3e-4, high = 1e-2, log = true }
  train.optim.optimizer = ["adamw", "muon"]
  train.optim.muon_learning_rate = { low = 0.005, high = 0.05, when.train.optim.optimizer = "muon" }

On several machines: engine = "ray" or "slurm", storage = "postgresql://user@host/name"; see docs/sweeps.md.

Results are in outputs/sweeps/EXPERIMENT-NAME: report.html, leaderboard.csv, and best.toml, an experiment file.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the experiment arguments and ``--sweep``."""
    experiment_arguments(parser)
    parser.add_argument("--sweep", required=True, metavar="NAME", help="a name from sweeps")
    parser.add_argument("--json", action="store_true", help="print the results as JSON when the sweep has ended")


def run(options: argparse.Namespace) -> None:
    """Run or resume a sweep."""
    from ml_playground.sweeping.run import run_sweep
    from ml_playground.sweeping.sweep import load_sweep

    run_sweep(load_sweep(options.sweep, options.experiment, options.exp_config), json=options.json)


verbs.register("sweep")(Verb("search for better values, or resume a search", run, arguments, _EXAMPLES))
