"""Subcommands (verbs) of ``mlp`` and their registry.

A verb is a module of ``ml_playground.commands``, or a module that another package declares in the entry point group
``ml_playground.verbs``. These modules import slow dependencies inside functions, because the help does not need them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_playground.registry import Registry

if TYPE_CHECKING:
    from ml_playground.config import ExperimentConfig


def experiment_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments ``EXPERIMENT [--exp-config FILE]``."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a name from conf/experiment")
    parser.add_argument(
        "--exp-config",
        type=Path,
        metavar="FILE.toml",
        help="use this file in place of conf/experiment/EXPERIMENT.toml",
    )


def experiment(options: argparse.Namespace) -> ExperimentConfig:
    """Load the experiment selected by the arguments of :func:`experiment_arguments`.

    Raises:
        UsageError: If no experiment has that name.
        ConfigError: If a config file is invalid.
    """
    from ml_playground.composition.load import load_experiment

    return load_experiment(options.experiment, options.exp_config)


def trained_experiment(options: argparse.Namespace) -> ExperimentConfig:
    """Load the experiment as :func:`experiment` does; of several seeds, the one with the lowest validation loss.

    Raises:
        UserError: As for :func:`experiment`.
    """
    config = experiment(options)
    from ml_playground.runs.seeds.configs import with_best_seed

    return with_best_seed(config)


@dataclass(frozen=True)
class Verb:
    """A subcommand of ``mlp``."""

    summary: str
    """One-line summary for the help."""
    run: Callable[[argparse.Namespace], None]
    arguments: Callable[[argparse.ArgumentParser], None] = experiment_arguments
    """Function that adds the arguments to a parser."""
    examples: str = ""
    """Examples for the verb's help; by default those of ``mlp --help``."""


verbs: Registry[Verb] = Registry("verb", "ml_playground.commands", "ml_playground.verbs")
register_verb = verbs.register
