"""``run.json``: description, progress and environment of a run."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

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


def says_finished(folder: Path) -> bool:
    """Return whether the folder's ``run.json`` exists and its status is finished."""
    return _read(folder, "status") == "finished"


def read_step(folder: Path) -> int | None:
    """Return the step recorded in the folder's ``run.json``; None if it cannot be read."""
    step = _read(folder, "step")
    return step if isinstance(step, int) else None


def _read(folder: Path, key: str) -> object | None:
    try:
        table: dict[str, object] = json.loads(read_regular(folder / "run.json"))
        return table[key]
    except (OSError, ValueError, TypeError, KeyError):
        return None


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
