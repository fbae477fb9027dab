"""Find the runs in a folder from their ``run.json``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml_playground.durable import is_locked
from ml_playground.runs.folder import LOCK
from ml_playground.runs.manifest import RunManifest, read_manifest
from ml_playground.runs.notes import NOTES, is_archived
from ml_playground.terminal.console import say

OUTPUTS = Path("outputs")
TRASH = ".trash"
"""Folder for what was removed, which is not searched."""
_SEED = re.compile(r"seed-\d+")


@dataclass(frozen=True)
class RunSummary:
    """Summary of one run."""

    folder: Path
    manifest: RunManifest
    status: str
    """As in ``run.json``, except that a run recorded as running without a live process is interrupted."""
    bytes: int
    """Size of the folder."""
    archived: bool = False

    @property
    def best_val_loss(self) -> float | None:
        """Lowest validation loss; of runs by versions that did not record it, the best value of their metric."""
        manifest = self.manifest
        return manifest.best if manifest.best_val_loss is None else manifest.best_val_loss

    @property
    def bits_per_byte(self) -> float | None:
        """Lowest validation loss in bits per byte of text."""
        return self.manifest.bits_per_byte

    @property
    def changed(self) -> datetime:
        """Time at which the run ended or, if it has not, started."""
        return datetime.fromisoformat(self.manifest.ended or self.manifest.started)

    @property
    def group(self) -> Path | None:
        """Folder of the sweep, or of the runs with several seeds, that the run belongs to."""
        if self.folder.parent.name == "trials" and self.manifest.params:
            return self.folder.parent.parent
        return self.folder.parent if _SEED.fullmatch(self.folder.name) else None


def vocabularies(runs: Iterable[RunSummary]) -> list[str]:
    """Return the vocabularies of runs; earlier versions did not record them."""
    return sorted({run.manifest.vocabulary for run in runs} - {""})


def age(since: datetime) -> str:
    """Return the time that has passed, such as ``3 h``."""
    passed = datetime.now(UTC) - since
    minutes = int(passed.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 60 * 48 else f"{passed.days} d"


def find_runs(root: Path = OUTPUTS) -> list[RunSummary]:
    """Find all folders with a ``run.json``, sorted by path; unreadable ones are reported and skipped."""
    return [run for found in find_folders(root) if (run := summarize(found))]


@dataclass
class RunFiles:
    """Files of a run folder, except for other run folders in it."""

    folder: Path
    bytes: int = 0
    noted: bool = False


def find_folders(root: Path) -> list[RunFiles]:
    """Find all folders with a ``run.json``, sorted by path, without reading it."""
    found: list[RunFiles] = []
    _scan(str(root), None, found)
    return sorted(found, key=lambda files: files.folder)


def summarize(files: RunFiles) -> RunSummary | None:
    """Read the record of a run; None if it is unreadable, which is reported."""
    folder = files.folder
    try:
        manifest = read_manifest(folder)
        status = manifest.status
        if status == "running" and not is_locked(folder / LOCK):
            manifest = read_manifest(folder)  # read again: it may have ended and released its lock since
            status = "interrupted" if manifest.status == "running" else manifest.status
    except (OSError, ValueError, TypeError, RecursionError):
        say(f"{folder / 'run.json'}: cannot be read; skipped")
        return None
    return RunSummary(folder, manifest, status, files.bytes, files.noted and is_archived(folder))


def _scan(folder: str, run: RunFiles | None, found: list[RunFiles]) -> None:
    # os.scandir and strings: a Path per file would take longer than the rest. Active runs rename and remove files.
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    names = {entry.name for entry in entries}
    if "run.json" in names:
        run = RunFiles(Path(folder), noted=NOTES in names)
        found.append(run)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != TRASH:
                _scan(entry.path, run, found)
        elif run:
            with suppress(OSError):
                run.bytes += entry.stat().st_size
