"""List the runs in a folder from their ``run.json``."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from ml_playground.durable import is_locked, read_regular
from ml_playground.runs.folder import LOCK
from ml_playground.runs.manifest import RunManifest
from ml_playground.terminal.console import say
from ml_playground.terminal.table import Table

OUTPUTS = Path("outputs")
_KINDS: dict[tuple[str, ...], tuple[type, ...]] = {
    ("experiment", "status"): (str,),
    ("max_iters", "step", "best_step"): (int,),
    ("resumed_from",): (int, type(None)),
    ("best",): (int, float, type(None)),
}
"""Expected types of the keys of ``run.json`` that the listing uses."""


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
            manifest = _read(path)
            status = manifest.status
            if status == "running" and not is_locked(path.parent / LOCK):
                manifest = _read(path)  # read again: it may have ended and released its lock since
                status = "interrupted" if manifest.status == "running" else manifest.status
        except (OSError, ValueError, TypeError, RecursionError):
            say(f"{path}: cannot be read; left out")
            continue
        runs.append(RunSummary(path.parent, manifest, status, sum(map(_size, _files(path.parent)))))
    return runs


def _read(path: Path) -> RunManifest:
    """Read and validate a ``run.json``.

    Raises:
        OSError, ValueError, TypeError, RecursionError: If it cannot be read, or is not a valid run record.
    """
    record: object = json.loads(read_regular(path))
    if not isinstance(record, dict):
        raise TypeError("no table")
    table = cast("dict[str, object]", record)
    for names, kinds in _KINDS.items():
        for name in names:
            value = table.get(name, kinds[0]())
            if not isinstance(value, kinds) or (isinstance(value, float) and not math.isfinite(value)):
                raise TypeError(f"{name} is of type {type(value).__name__}")
    if datetime.fromisoformat(str(table.get("ended") or table.get("started"))).tzinfo is None:
        raise ValueError("no time zone")
    known = {field.name for field in fields(RunManifest)}
    return RunManifest(**{key: value for key, value in table.items() if key in known})  # type: ignore[arg-type]  # checked


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
