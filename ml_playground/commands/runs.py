"""``mlp runs``."""

from __future__ import annotations

import argparse

from ml_playground.commands.verb import Verb, verbs


def arguments(_parser: argparse.ArgumentParser) -> None:
    """Add no arguments."""


def run(_options: argparse.Namespace) -> None:
    """List all runs."""
    from ml_playground.runs.listing import print_runs

    print_runs()


verbs.register("runs")(Verb("list all runs: how far, how good, where", run, arguments))
