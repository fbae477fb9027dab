"""What is compared: a run, or several runs of the same settings with other seeds."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_playground.errors import RunFolderError
from ml_playground.runs.curves import Axis, Curves, read_curves
from ml_playground.runs.listing import OUTPUTS, RunSummary, find_folders, summarize
from ml_playground.runs.settings import differing, read_settings, relevant

Metric = Literal["val_loss", "bits_per_byte"]
SEED = "train.runtime.seed"


@dataclass(frozen=True)
class Member:
    """One run with its settings and curves."""

    run: RunSummary
    settings: dict[str, object]
    """Those that can affect a result."""
    curves: Curves

    def convert(self, val_loss: float | None, metric: Metric) -> float | None:
        """Return a validation loss as a metric; None if it is unknown."""
        return val_loss if metric == "val_loss" else self.run.manifest.to_bits_per_byte(val_loss)

    def best(self, metric: Metric) -> float | None:
        return self.convert(self.run.best_val_loss, metric)

    def final(self, metric: Metric) -> float | None:
        return self.convert(self.run.manifest.val_loss, metric)

    def at(self, axis: Axis, place: float, metric: Metric) -> float | None:
        return self.convert(self.curves.val.at(axis, place), metric)


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds only; often just one."""

    name: str
    members: Sequence[Member]

    @property
    def first(self) -> Member:
        return self.members[0]

    @property
    def settings(self) -> dict[str, object]:
        """Common settings; without the seed if there are several."""
        several = len(self.members) > 1
        return {key: value for key, value in self.first.settings.items() if not (several and key == SEED)}

    def best(self, metric: Metric) -> list[float]:
        """Return the best value of each member that has one."""
        return [value for member in self.members if (value := member.best(metric)) is not None]

    def final(self, metric: Metric) -> float | None:
        """Return the mean of the last values; None unless all have one."""
        return _mean([member.final(metric) for member in self.members])

    def at(self, axis: Axis, place: float, metric: Metric) -> float | None:
        """Return the mean of the values at a place; None unless all have one."""
        return _mean([member.at(axis, place, metric) for member in self.members])

    def last(self, axis: Axis) -> float | None:
        """Return how far the shortest curve reaches on an axis; None if one does not know."""
        places = [member.curves.val.last(axis) for member in self.members]
        known = [place for place in places if place is not None]
        return min(known) if len(known) == len(places) else None


def load_group(name: str) -> Group:
    """Load the run, or the runs with several seeds, in a folder given by its path or its name below ``outputs``.

    Raises:
        RunFolderError: If there is no such folder, it has no readable record, or its runs differ in more than seeds.
    """
    folder = find_folder(name)
    found = [files for files in find_folders(folder) if files.folder in (folder, *folder.glob("seed-*"))]
    own = [files for files in found if files.folder == folder]
    runs = [run for files in (own or found) if (run := summarize(files))]
    if not runs:
        raise RunFolderError(f"{folder}: has no run, nor runs in seed-1, seed-2, ...; name a run folder")
    members = [load_member(run) for run in runs]
    seeds = [member.run.manifest.seed for member in members]
    if len(members) > 1:
        changed = [key for key in differing([member.settings for member in members]) if key != SEED]
        if changed:
            raise RunFolderError(
                f"{folder}: its runs differ in {changed[0]}, not in their seeds only; name them one by one"
            )
        if len(set(seeds)) < len(seeds):
            raise RunFolderError(f"{folder}: several of its runs have the same seed; name them singly")
    return Group(str(folder), members)


def load_member(run: RunSummary) -> Member:
    """Read the settings and curves of a run."""
    return Member(run, relevant(read_settings(run.folder)), read_curves(run.folder, run.manifest))


def load_run(name: str) -> RunSummary:
    """Find one run by the path of its folder, or its name below ``outputs``.

    Raises:
        RunFolderError: If there is none.
    """
    folder = find_folder(name)
    for files in find_folders(folder):
        if files.folder == folder and (run := summarize(files)):
            return run
    inside = [str(files.folder) for files in find_folders(folder)]
    hint = f"name one of the runs in it, such as {inside[0]}" if inside else "name a run folder"
    raise RunFolderError(f"{folder}: has no run.json that can be read; {hint}")


def find_folder(name: str) -> Path:
    """Return the folder with a path, or with a name below ``outputs``.

    Raises:
        RunFolderError: If there is none.
    """
    for folder in (Path(name), OUTPUTS / name):
        if folder.is_dir():
            return folder
    known = [str(files.folder) for files in find_folders(OUTPUTS)]
    close = difflib.get_close_matches(name, [*known, *(path.partition("/")[2] for path in known)], 1)
    raise RunFolderError(f"{name}: no such run; {f'did you mean {close[0]}?' if close else 'mlp runs  lists them'}")


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None
