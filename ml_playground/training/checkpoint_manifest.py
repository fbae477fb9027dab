"""Manifests of checkpoints: ``<stem>.json`` beside ``<stem>.pt``. Reading them does not need torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

from ml_playground.durable import read_regular

LAST, BEST = "ckpt_last", "ckpt_best"
STABLE = "stable"
"""Folder in a run folder for the checkpoints at the end of the stable phase."""


@dataclass(frozen=True)
class Manifest:
    """Content of ``<stem>.json``."""

    sha256: str
    bytes: int
    step: int
    val_loss: float | None


def read_manifest(folder: Path, stem: str) -> Manifest | None:
    """Read ``<stem>.json``; None if it is missing or corrupted."""
    try:
        manifest = Manifest(**json.loads(read_regular(folder / f"{stem}.json")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    fits = all(isinstance(vars(manifest)[name], kind) for name, kind in get_type_hints(Manifest).items())
    return manifest if fits else None


def stable_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a run's checkpoint at the end of its stable phase; None if it has kept none."""
    kept = folder / STABLE
    return read_manifest(kept, LAST) if (kept / f"{LAST}.pt").exists() else None
