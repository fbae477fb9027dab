"""JSON of ``mlp runs`` and other verbs; docs/automation.md describes every key."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml_playground.durable import to_json
from ml_playground.runs.listing import RunSummary, find_runs
from ml_playground.runs.overview import order

if TYPE_CHECKING:  # SciPy takes longer to import than a thousand runs to list
    from ml_playground.runs.comparison import Comparison
    from ml_playground.runs.details import Details
    from ml_playground.runs.groups import Group, Member, Metric
    from ml_playground.runs.leftovers import Leftover
    from ml_playground.runs.repeat import Repetition
    from ml_playground.runs.verdict import Verdict

FORMAT = 1
"""Version of all JSON outputs. Keys may be added; other changes increase it."""


def run_record(run: RunSummary) -> dict[str, object]:
    """Return what is known about a run: its ``run.json``, and what follows from it."""
    return {
        "folder": str(run.folder),
        "group": None if run.group is None else str(run.group),
        **dataclasses.asdict(run.manifest),
        "status": run.status,
        "best_val_loss": run.best_val_loss,
        "bits_per_byte": run.bits_per_byte,
        "tokens_per_second": run.manifest.tokens_per_second,
        "bytes": run.bytes,
        "archived": run.archived,
    }


def print_json(value: object) -> None:
    """Print a value to standard output; numbers that are not finite are null."""
    sys.stdout.write(to_json(value, indent=1))


def print_runs_json(root: Path, *, archived: bool) -> None:
    """Print all runs in a folder, best first."""
    runs = [run for run in find_runs(root) if archived or not run.archived]
    print_json(
        {
            "format": FORMAT,
            "root": str(root),
            "bytes": sum(run.bytes for run in runs),
            "free_bytes": shutil.disk_usage(root).free if root.exists() else None,
            "runs": [run_record(run) for run in order(runs, "best_val_loss")],
        }
    )


def comparison_record(comparison: Comparison) -> dict[str, object]:
    """Return a comparison for programs."""
    return {
        "format": FORMAT,
        "metric": comparison.metric,
        "settings": comparison.settings,
        "warnings": [dataclasses.asdict(warning) for warning in comparison.warnings],
        "equal": comparison.equal,
        "groups": [_group_record(group, comparison) for group in comparison.groups],
        "verdicts": [_verdict_record(verdict) for verdict in comparison.verdicts],
    }


def _group_record(group: Group, comparison: Comparison) -> dict[str, object]:
    metric, best = comparison.metric, group.best(comparison.metric)
    return {
        "name": group.name,
        "runs": [run_record(member.run) for member in group.members],
        "best": best,
        "mean_best": statistics.fmean(best),
        "deviation_best": statistics.stdev(best) if len(best) > 1 else None,
        "final": group.final(metric),
        "at_equal": {axis: group.at(axis, place, metric) for axis, place in comparison.equal.items()},
        "curves": [_curve_record(member, metric) for member in group.members],
    }


def _curve_record(member: Member, metric: Metric) -> dict[str, object]:
    curve = member.curves.val
    places: dict[str, object] = {axis: list(places) for axis, places in curve.places.items()}
    return {**places, "values": [member.convert(value, metric) for value in curve.values]}


def _verdict_record(verdict: Verdict) -> dict[str, object]:
    tested = verdict.tested
    return {
        "name": verdict.name,
        "reference": verdict.reference,
        "conclusion": verdict.conclusion,
        "difference": verdict.difference,
        "interval": [tested.low, tested.high] if tested else None,
        "p": tested.p if tested else None,
        "method": tested.method if tested else None,
        "deviation": tested.noise.deviation if tested else None,
        "more_seeds": verdict.more_seeds,
        "text": verdict.text,
    }


def details_record(details: Details) -> dict[str, object]:
    """Return everything about a run for programs."""
    changed = details.changed
    return {
        "format": FORMAT,
        "run": run_record(details.member.run),
        "settings": details.member.settings,
        "changed_settings": None if changed is None else {key: list(values) for key, values in changed.items()},
        "curve": _curve_record(details.member, "val_loss"),
        "checkpoints": [dataclasses.asdict(checkpoint) for checkpoint in details.checkpoints],
        "sample": {"step": details.sample[0], "text": details.sample[1]} if details.sample else None,
        "notes": [dataclasses.asdict(note) for note in details.notes],
        "commands": details.commands,
    }


def repetition_record(repetition: Repetition) -> dict[str, object]:
    """Return the result of a repetition for programs."""
    record = dataclasses.asdict(repetition)
    return {"format": FORMAT, **record, "folder": str(repetition.folder), "text": repetition.text}


def leftovers_record(leftovers: Sequence[Leftover], trash: Path | None, moved: int) -> dict[str, object]:
    """Return what can be removed, and what was moved."""
    items = [
        {"kind": each.kind, "paths": list(map(str, each.paths)), "bytes": each.bytes, "reason": each.reason}
        for each in leftovers
    ]
    total = sum(each.bytes for each in leftovers)
    return {
        "format": FORMAT,
        "items": items,
        "bytes": total,
        "moved_bytes": moved,
        "trash": None if trash is None else str(trash),
    }
