"""Follow-up runs: trainings of a trial's values after the search, whose results are attributes of the study."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import optuna
from optuna.trial import FrozenTrial

from ml_playground.config import ExperimentConfig
from ml_playground.sweeping.points import values_of
from ml_playground.sweeping.sweep import Sweep


@dataclass(frozen=True)
class Outcome:
    """How a follow-up run has ended."""

    score: float | None
    reason: str = ""
    """Why it has no score."""


@dataclass(frozen=True)
class FollowUp(ABC):
    """A run of a trial's values after the search."""

    trial: FrozenTrial

    @property
    @abstractmethod
    def key(self) -> str:
        """Study attribute of the result."""

    @abstractmethod
    def folder(self, sweep: Sweep) -> Path:
        """Return the run folder."""

    @abstractmethod
    def config(self, sweep: Sweep) -> ExperimentConfig:
        """Return the experiment config of the run."""

    def config_in_folder(self, sweep: Sweep) -> ExperimentConfig:
        """Return the trial's config with the run folder of this run."""
        config = sweep.trial_config(self.trial.number, values_of(self.trial))
        config.train.runtime.out_dir = config.sample.runtime.out_dir = self.folder(sweep)
        return config

    def source(self, _sweep: Sweep) -> Path | None:
        """Return the folder of the run that this one continues; None if it starts from the beginning."""
        return None

    def outcome(self, results: Mapping[str, object]) -> Outcome | None:
        """Return the result among the study's attributes; None if there is none yet."""
        if self.key not in results:
            return None
        record = json.loads(cast("str", results[self.key]))
        score = record["score"]
        return Outcome(None if score is None else float(score), str(record["reason"]))


def record_outcome(study: optuna.Study, run: FollowUp, outcome: Outcome) -> None:
    """Record the result of a run."""
    study.set_user_attr(run.key, json.dumps({"score": outcome.score, "reason": outcome.reason}))
