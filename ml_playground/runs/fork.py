"""A run folder that begins with the stable phase of another run."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ml_playground.durable import to_json, write_text
from ml_playground.errors import CheckpointError
from ml_playground.runs.metrics import read_metrics
from ml_playground.terminal.console import say
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import LAST, STABLE, stable_manifest
from ml_playground.training.stable import fork_stable


def fork_run(source: Path, target: Path) -> None:
    """Copy what a run logged and kept in its stable phase to another run folder, unless this has been done before.

    After a kill at any point, it can be called again. If the run has kept nothing that can be used, the folder stays as
    it is, and training starts from the beginning, with the same result.

    Args:
        source: Run folder with a ``stable`` folder.
        target: Run folder, for which the caller holds the write lock.

    Raises:
        CheckpointError: If a checkpoint cannot be written.
        OSError: If the metrics cannot be read or written.
    """
    kept = stable_manifest(source)
    if kept is None or (target / f"{LAST}.pt").exists():
        return
    try:
        checkpoints.read(source / STABLE / f"{LAST}.pt")
    except CheckpointError as error:
        say(f"{error}; training starts from the beginning")
        return
    lines = [
        to_json(entry)
        for entry in read_metrics(source / "metrics.jsonl")
        # The checkpoint was kept before the evaluation of its step.
        if (step := cast("int", entry["step"])) < kept.step or (step == kept.step and "val/loss" not in entry)
    ]
    write_text(target / "metrics.jsonl", "".join(lines))
    fork_stable(source, target)
