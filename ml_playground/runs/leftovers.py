"""Find what ``mlp clean`` may remove: archived runs, and files that nothing uses any more."""

from __future__ import annotations

import os
import re
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ml_playground.dataset.placing import FILES
from ml_playground.dataset.prepared import META, read_meta_of_any_format
from ml_playground.durable import is_locked, read_regular
from ml_playground.errors import CheckpointError, DataError, RunFolderError
from ml_playground.runs.folder import LOCK
from ml_playground.runs.groups import find_folder
from ml_playground.runs.listing import RunSummary, find_folders, find_runs, summarize
from ml_playground.runs.notes import references
from ml_playground.runs.settings import flat, read_settings
from ml_playground.training.checkpoint_manifest import LAST

Kind = Literal["run", "checkpoint", "data", "temporary"]
_TEMPORARY = re.compile(
    r"\.(run\.json|config\.toml|metrics\.jsonl|ckpt_\w+(\.prev)?\.(pt|json)|leaderboard\.csv|best\.toml|report\.html)\.tmp"
)
"""What :func:`ml_playground.durable.replacing` leaves when its process is killed."""
_STEP = re.compile(r"(ckpt_step\d{6,})\.(pt|json)")
_RECENT_SECONDS = 3600
"""Data this new may belong to a run that has not yet written its record."""


@dataclass(frozen=True)
class Leftover:
    """Something that can be removed."""

    kind: Kind
    paths: tuple[Path, ...]
    """Files or folders, which are moved one after the other."""
    bytes: int
    reason: str
    lock: Path
    """Held while they are moved, so that no process starts to use them."""


def find_leftovers(root: Path) -> list[Leftover]:
    """Find everything below a folder of runs that can be removed, except for what is in use or referred to."""
    runs = find_runs(root)
    used = _references(runs)
    found: list[Leftover] = []
    for run in runs:
        if is_locked(run.folder / LOCK):
            continue
        if run.archived and why_kept(run, runs, used) is None:
            found.append(_run(run, "archived"))
        else:
            found += _files_in(run, used)
    return [*found, *_unused_data(root, runs), *_partial_data(root)]


def named_runs(root: Path, names: Sequence[str]) -> list[Leftover]:
    """Return the runs in folders given by name.

    Raises:
        RunFolderError: If there is no such run, or it must be kept; the message says why.
    """
    runs = find_runs(root)
    used = _references(runs)
    found: list[Leftover] = []
    for name in names:
        folder = find_folder(name)
        inside = [run for run in runs if folder in {run.folder, run.group}]
        if not inside:
            hint = "name the folder of a run" if any(map(summarize, find_folders(folder))) else "mlp runs  lists them"
            raise RunFolderError(f"{folder}: is not a run below {root}; {hint}")
        for run in inside:
            if reason := why_kept(run, runs, used):
                raise RunFolderError(f"{run.folder}: is kept, because {reason}")
            found.append(_run(run, "named"))
    return found


def why_kept(run: RunSummary, runs: Sequence[RunSummary], used: dict[Path, Path]) -> str | None:
    """Return why a run must not be removed; None if it may be."""
    if is_locked(run.folder / LOCK):
        return "a process is writing in it"
    if run.manifest.params:
        return "it is a trial of a sweep, which needs it to resume"
    if pages := references(run.folder):
        return f"{pages[0]} compares it; delete that page first"
    for other in runs:
        if other.manifest.repeat_of == str(run.folder):
            return f"{other.folder} repeats it"
    for path, user in used.items():
        if path.is_relative_to(run.folder.absolute()) and user != run.folder.absolute():
            return f"{user} refers to {path.name}"
    if any(other.folder != run.folder and other.folder.is_relative_to(run.folder) for other in runs):
        return "there are other runs in it"
    return None


def _run(run: RunSummary, reason: str) -> Leftover:
    return Leftover("run", (run.folder,), size(run.folder), reason, run.folder / LOCK)


def _files_in(run: RunSummary, used: dict[Path, Path]) -> Iterator[Leftover]:
    names = sorted(path.name for path in run.folder.iterdir() if path.is_file())
    for name in names:
        if _TEMPORARY.fullmatch(name):
            yield _leftover("temporary", run, [name], "left by a killed process")
    stems = sorted({found[1] for name in names if (found := _STEP.fullmatch(name))})
    count = read_settings(run.folder).get("train.runtime.ckpt_top_k")
    written = [stem for stem in stems if f"{stem}.pt" in names]
    too_many = isinstance(count, int) and len(written) > count > 0
    kept = _kept(run.folder) if too_many else set(stems)
    for stem in stems:
        files = [name for name in names if name in (f"{stem}.pt", f"{stem}.json")]
        if any((run.folder / name).absolute() in used for name in files):
            continue
        if count == 0:
            yield _leftover("checkpoint", run, files, "ckpt_top_k = 0 keeps none")
        elif kept is not None and stem not in kept:
            yield _leftover("checkpoint", run, files, f"ckpt_top_k = {count} keeps better ones")
        elif stem not in written:
            yield _leftover("checkpoint", run, files, "its checkpoint is gone")


def _kept(folder: Path) -> set[str] | None:
    """Return the names of the checkpoints that a run keeps as its best k; None if that is not known."""
    # Rarely needed, and torch takes seconds.
    from ml_playground.training import checkpoint as checkpoints
    from ml_playground.training.saving import top_names
    from ml_playground.training.state import Progress

    try:
        found = checkpoints.read(folder / f"{LAST}.pt")
        return top_names(Progress(**found.checkpoint["state"]["progress"]))  # type: ignore[arg-type]  # written by asdict()
    except (CheckpointError, TypeError, ValueError):
        return None


def _leftover(kind: Kind, run: RunSummary, names: Sequence[str], reason: str) -> Leftover:
    paths = tuple(run.folder / name for name in names)
    return Leftover(kind, paths, sum(map(size, paths)), reason, run.folder / LOCK)


def _unused_data(root: Path, runs: Sequence[RunSummary]) -> Iterator[Leftover]:
    # A sweep that has no run yet may use any of them.
    if any(not list(folder.glob("trials/*/run.json")) for folder in (root / "sweeps").glob("*/")):
        return
    needed = {run.manifest.data for run in runs}
    for path in sorted((root / "data").glob(f"*/{META}")):
        folder = path.parent
        try:
            meta = read_meta_of_any_format(folder)
        except (DataError, OSError):
            continue
        names = {each.name for each in folder.iterdir()}
        own = {META, *FILES}
        recent = time.time() - path.stat().st_mtime < _RECENT_SECONDS
        if meta and meta.fingerprint not in needed and names <= own and not recent:
            lock = folder.with_name(f".{folder.name}.lock")
            yield Leftover("data", (folder,), size(folder), "no run uses it", lock)


def _partial_data(root: Path) -> Iterator[Leftover]:
    for folder in sorted((root / "data").glob(".*.partial")):
        lock = folder.with_name(f"{folder.name.removesuffix('.partial')}.lock")
        own = {META, *FILES, *(f".{name}.tmp" for name in FILES)}
        if folder.is_dir() and not is_locked(lock) and {path.name for path in folder.iterdir()} <= own:
            yield Leftover("temporary", (folder,), size(folder), "left by a killed process", lock)


def _references(runs: Sequence[RunSummary]) -> dict[Path, Path]:
    """Return paths that settings name, except for each file's own run folder, and the run or file that does."""
    used: dict[Path, Path] = {}
    tables = [(run.folder.absolute(), read_settings(run.folder)) for run in runs]
    for path in [*Path("conf").glob("experiment/*.toml"), *Path().glob("sweeps/*.toml")]:
        with suppress(OSError, ValueError, RecursionError):
            tables.append((path.absolute(), dict(flat(tomllib.loads(read_regular(path).decode())))))
    for owner, settings in tables:
        own = settings.get("train.runtime.out_dir")
        for value in settings.values():
            if isinstance(value, str) and value != own and os.sep in value and "\0" not in value:
                used[Path(value).absolute()] = owner
    return used


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder but its lock; links are not followed."""
    if not path.is_dir() or path.is_symlink():
        return path.lstat().st_size
    files = (Path(folder) / name for folder, _, names in os.walk(path) for name in names if name != LOCK)
    return sum(file.lstat().st_size for file in files)
