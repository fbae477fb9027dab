"""``run.json``: description, progress and environment of a run."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

from ml_playground.durable import read_regular, to_json, write_text

Status = Literal["running", "finished", "pruned", "interrupted", "failed"]
_PACKAGES = ("ml-playground", "torch", "numpy", "hydra-core", "omegaconf")


def now() -> str:
    """Return the current UTC time in ISO 8601 format, with seconds precision."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect results."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def git_state() -> dict[str, str | bool] | None:
    """Return the commit of the working directory and whether it has uncommitted changes; None if unknown."""
    try:
        commit, status = (
            subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10).stdout
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "dirty": bool(status)}


@dataclass
class RunManifest:
    """Record of a run, written by its current session; later sessions replace it."""

    experiment: str
    status: Status
    max_iters: int
    data: str
    """Fingerprint of the dataset."""
    hardware: str
    step: int = 0
    tokens: int = 0
    parameters: int = 0
    trained_parameters: int = 0
    """Fewer than ``parameters`` if adapters are trained."""
    val_loss: float | None = None
    best: float | None = None
    best_step: int = -1
    resumed_from: int | None = None
    """Step from which this session resumed; None for a new run."""
    started: str = field(default_factory=now)
    """Start time of this session, in UTC."""
    ended: str | None = None
    error: str | None = None
    command: list[str] = field(default_factory=lambda: list(sys.argv))
    git: dict[str, str | bool] | None = field(default_factory=git_state)
    """Commit and dirty flag of the working directory; None outside a repository."""
    versions: dict[str, str] = field(default_factory=versions)
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)

    def write(self, folder: Path) -> None:
        """Write ``run.json`` in the folder, replacing an existing one."""
        write_text(folder / "run.json", to_json(dataclasses.asdict(self), indent=1))


_KINDS: dict[tuple[str, ...], tuple[type, ...]] = {
    ("experiment", "status"): (str,),
    ("max_iters", "step", "best_step"): (int,),
    ("resumed_from",): (int, type(None)),
    ("best",): (int, float, type(None)),
}
"""Expected types of the keys that others read."""


def read_manifest(folder: Path) -> RunManifest:
    """Read and validate a folder's ``run.json``.

    Raises:
        OSError, ValueError, TypeError, RecursionError: If it cannot be read, or is not a valid run record.
    """
    record: object = json.loads(read_regular(folder / "run.json"))
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
    known = {field.name for field in dataclasses.fields(RunManifest)}
    return RunManifest(**{key: value for key, value in table.items() if key in known})  # type: ignore[arg-type]  # checked


def says_finished(folder: Path) -> bool:
    """Return whether the folder's ``run.json`` can be read and its status is finished."""
    manifest = _find_manifest(folder)
    return manifest is not None and manifest.status == "finished"


def read_step(folder: Path) -> int | None:
    """Return the step recorded in the folder's ``run.json``; None if it cannot be read."""
    manifest = _find_manifest(folder)
    return manifest.step if manifest else None


def _find_manifest(folder: Path) -> RunManifest | None:
    try:
        return read_manifest(folder)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
