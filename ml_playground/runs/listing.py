"""List the runs in a folder from their ``run.json``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml_playground.durable import is_locked
from ml_playground.runs.folder import LOCK
from ml_playground.runs.manifest import RunManifest, read_manifest
from ml_playground.terminal.console import say
from ml_playground.terminal.table import Table

OUTPUTS = Path("outputs")


@dataclass(frozen=True)
class RunSummary:
    """Summary of one run."""

    folder: Path
    manifest: RunManifest
    status: str
    """As in ``run.json``, except that a run recorded as running without a live process is interrupted."""
    bytes: int
    """Size of the folder."""

    @property
    def age(self) -> str:
        """Time since the run ended or, if it has not, since it started."""
        since = datetime.now(UTC) - datetime.fromisoformat(self.manifest.ended or self.manifest.started)
        minutes = int(since.total_seconds() // 60)
        if minutes < 60:
            return f"{minutes} min"
        return f"{minutes // 60} h" if minutes < 60 * 48 else f"{since.days} d"


def find_runs(root: Path = OUTPUTS) -> list[RunSummary]:
    """Find all folders with a ``run.json``, sorted by path; unreadable ones are reported and skipped."""
    runs: list[RunSummary] = []
    for path in sorted(path for path in _files(root) if path.name == "run.json"):
        try:
            manifest = read_manifest(path.parent)
            status = manifest.status
            if status == "running" and not is_locked(path.parent / LOCK):
                manifest = read_manifest(path.parent)  # read again: it may have ended and released its lock since
                status = "interrupted" if manifest.status == "running" else manifest.status
        except (OSError, ValueError, TypeError, RecursionError):
            say(f"{path}: cannot be read; skipped")
            continue
        runs.append(RunSummary(path.parent, manifest, status, sum(map(_size, _files(path.parent)))))
    return runs


def _files(root: Path) -> Iterator[Path]:
    """Iterate over all files in a folder tree. ``rglob`` would fail if active runs rename or remove files meanwhile."""
    return (Path(folder) / name for folder, _, names in os.walk(root) for name in names)


def _size(path: Path) -> int:
    """Return the size in bytes; 0 for a file that was just removed, or a broken link."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def print_runs(root: Path = OUTPUTS) -> None:
    """Print a table of all runs to standard output."""
    runs = find_runs(root)
    if not runs:
        print(f"no runs in {root}; start one with  mlp-run experiment=NAME")
        return
    numbers = ["step", "best", "at step", "age", "size"]
    table = Table(["name", "status", *numbers, "path"], numbers=numbers)
    for run in runs:
        manifest = run.manifest
        table.add(
            manifest.experiment + (f" (resumed at {manifest.resumed_from:,})" if manifest.resumed_from else ""),
            run.status,
            f"{manifest.step:,}/{manifest.max_iters:,}",
            "" if manifest.best is None else f"{manifest.best:.4f}",
            "" if manifest.best is None else f"{manifest.best_step:,}",
            run.age,
            f"{run.bytes / 1e6:.1f} MB",
            str(run.folder),
        )
    table.print()
