"""JSON of ``mlp runs``; docs/automation.md describes every key."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path

from ml_playground.durable import to_json
from ml_playground.runs.listing import RunSummary, find_runs
from ml_playground.runs.overview import order

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
