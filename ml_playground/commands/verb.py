"""What a verb of ``mlp`` is, and where it is registered.

A verb is a module of ``ml_playground.commands``, or one that another package names under the entry point group
``ml_playground.verbs``. Such modules import what takes time inside functions: help needs none of it.
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
    """``EXPERIMENT [--exp-config FILE]``."""
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a name from conf/experiment")
    parser.add_argument(
        "--exp-config",
        type=Path,
        metavar="FILE.toml",
        help="use this file in place of conf/experiment/EXPERIMENT.toml",
    )


def experiment(options: argparse.Namespace) -> ExperimentConfig:
    """The experiment that :func:`experiment_arguments` name.

    Raises:
        UsageError: no experiment has that name.
        ConfigError: a file is wrong.
    """
    from ml_playground.composition.load import load_experiment

    return load_experiment(options.experiment, options.exp_config)


@dataclass(frozen=True)
class Verb:
    """One verb."""

    summary: str
    """For help: what it does, in a line."""
    run: Callable[[argparse.Namespace], None]
    arguments: Callable[[argparse.ArgumentParser], None] = experiment_arguments
    """Adds its arguments to a parser."""


verbs: Registry[Verb] = Registry("verb", "ml_playground.commands", "ml_playground.verbs")
register_verb = verbs.register
