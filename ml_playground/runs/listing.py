"""All runs below a folder, as their ``run.json`` tells it."""

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
"""What a listing shows of a record has these types."""


@dataclass(frozen=True)
class RunSummary:
    """One run."""

    folder: Path
    manifest: RunManifest
    status: str
    """As in ``run.json``; a run that says it is running, but has no process, was interrupted."""
    bytes: int
    """Size of the folder."""

    @property
    def age(self) -> str:
        """Time since it ended, or since it started where it has not."""
        since = datetime.now(UTC) - datetime.fromisoformat(self.manifest.ended or self.manifest.started)
        minutes = int(since.total_seconds() // 60)
        if minutes < 60:
            return f"{minutes} min"
        return f"{minutes // 60} h" if minutes < 60 * 48 else f"{since.days} d"


def find_runs(root: Path = OUTPUTS) -> list[RunSummary]:
    """Every folder with a ``run.json``, by path; one that cannot be read is named and left out."""
    runs: list[RunSummary] = []
    for path in sorted(path for path in _files(root) if path.name == "run.json"):
        try:
            manifest = _read(path)
            status = manifest.status
            if status == "running" and not is_locked(path.parent / LOCK):
                manifest = _read(path)  # again: it may have ended since, and only then let go of its lock
                status = "interrupted" if manifest.status == "running" else manifest.status
        except (OSError, ValueError, TypeError, RecursionError):
            say(f"{path}: cannot be read; left out")
            continue
        runs.append(RunSummary(path.parent, manifest, status, sum(map(_size, _files(path.parent)))))
    return runs


def _read(path: Path) -> RunManifest:
    """Raises:
    OSError, ValueError, TypeError, RecursionError: it cannot be read, or is not what a run has written.
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
    """All files below a folder. Runs at work rename and remove theirs meanwhile, at which ``rglob`` fails."""
    return (Path(folder) / name for folder, _, names in os.walk(root) for name in names)


def _size(path: Path) -> int:
    """In bytes; 0 for a file that has just gone, or that is a link to nowhere."""
    with suppress(OSError):
        return path.stat().st_size
    return 0


def print_runs(root: Path = OUTPUTS) -> None:
    """The table of all runs, on standard output."""
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
