"""Compare runs, or groups of runs: what differs, which is better, whether that is noise, and whether it is fair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_playground.errors import UsageError
from ml_playground.runs.curves import AXES, Axis
from ml_playground.runs.fairness import Doubt, check_text, warnings
from ml_playground.runs.groups import SEED, Group, Metric, load_group, load_member
from ml_playground.runs.listing import OUTPUTS, RunSummary, find_runs, vocabularies
from ml_playground.runs.settings import differing
from ml_playground.runs.statistics import Noise, pooled
from ml_playground.runs.verdict import Verdict, verdicts


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison; the first group is what the others are compared with."""

    groups: Sequence[Group]
    metric: Metric
    settings: dict[str, list[object]]
    """Settings that differ, one value per group; None if unset."""
    equal: dict[Axis, float]
    """The largest place on each axis that all curves reach."""
    warnings: list[Doubt]
    verdicts: list[Verdict]
    """Of each group but the first."""


def compare(names: Sequence[str]) -> Comparison:
    """Compare runs, or folders of runs with several seeds.

    Raises:
        UsageError: If they cannot be compared.
        RunFolderError: If there is no such run.
    """
    if len(set(names)) < max(2, len(names)):
        raise UsageError("mlp compare: name two or more different runs, as in  mlp compare outputs/a outputs/b")
    groups = [load_group(name) for name in names]
    if len({Path(group.name).resolve() for group in groups}) < len(groups):
        raise UsageError("mlp compare: two of the names are the same run; name different ones")
    check_text(groups)
    metric = choose_metric(groups)
    if empty := [group.name for group in groups if not group.best(metric)]:
        raise UsageError(f"{empty[0]}: has no validation loss yet; train it further first")
    per_group = [group.settings for group in groups]
    settings = {key: [each.get(key) for each in per_group] for key in differing(per_group)}
    if any(len(group.members) > 1 for group in groups):
        settings.pop(SEED, None)
    equal: dict[Axis, float] = {}
    for axis in AXES:
        if (place := _reached(groups, axis)) is not None:
            equal[axis] = place
    noise = borrowed_noise(groups, metric)
    return Comparison(groups, metric, settings, equal, warnings(groups), verdicts(groups, metric, noise))


def choose_metric(groups: Sequence[Group]) -> Metric:
    """Return bits per byte if tokenizers differ, whose losses per token cannot be compared."""
    return "bits_per_byte" if len(vocabularies(_runs(groups))) > 1 else "val_loss"


def borrowed_noise(groups: Sequence[Group], metric: Metric) -> tuple[Noise, str] | None:
    """Return the deviation over seeds that was measured in this experiment, and where; None if it was not."""
    if all(len(group.members) > 1 for group in groups):
        return None
    experiments = {run.manifest.experiment for run in _runs(groups)}
    texts = {run.manifest.val_text for run in _runs(groups)}
    measured: dict[str, list[float]] = {}
    for run in find_runs(OUTPUTS):
        fits = run.manifest.experiment in experiments and run.manifest.val_text in texts and run.status == "finished"
        if fits and run.group and not run.manifest.params:
            value = load_member(run).best(metric)
            measured.setdefault(str(run.group), []).extend([] if value is None else [value])
    noise = pooled(list(measured.values()))
    names = [name for name, values in measured.items() if len(values) > 1]
    return (noise, f"the seeds of {', '.join(names)}") if noise else None


def _reached(groups: Sequence[Group], axis: Axis) -> float | None:
    places = [group.last(axis) for group in groups]
    known = [place for place in places if place is not None]
    return min(known) if len(known) == len(places) else None


def _runs(groups: Sequence[Group]) -> list[RunSummary]:
    return [member.run for group in groups for member in group.members]
