"""The stable phase of a run: its first updates, which do not depend on its length.

A copy of the run folder's checkpoints at the end of this phase, before the decay, is kept in ``stable/``. A longer run
that resumes from it ends with the same bits as one that was started with its length.
"""

from __future__ import annotations

from pathlib import Path

from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import Checkpoint
from ml_playground.training.checkpoint_manifest import BEST, LAST, STABLE, read_manifest, stable_manifest
from ml_playground.training.state import Progress


def keep_stable(folder: Path, checkpoint: Checkpoint, progress: Progress) -> None:
    """Write the checkpoint to ``stable/``, with the best and top k checkpoints so far; once for a step.

    The checkpoint is written last: if it is there, so are the others.

    Raises:
        CheckpointError: If it cannot be written.
    """
    target = folder / STABLE
    if (written := stable_manifest(folder)) is not None and written.step == progress.step:
        return
    with checkpoints.writing(folder):
        forget_stable(folder)
        target.mkdir(exist_ok=True)
        for stem in _kept(progress):
            manifest = read_manifest(folder, stem)
            if manifest is not None and manifest.step <= progress.step:
                checkpoints.link(folder, stem, target)
    checkpoints.save(target, LAST, checkpoint, progress.step, progress.val_loss)


def fork_stable(source: Path, target: Path) -> None:
    """Give a new run folder the checkpoints at the end of another run's stable phase.

    ``ckpt_last.pt`` is written last: if it is there, the copy is complete.

    Raises:
        CheckpointError: If they cannot be written.
    """
    folder = source / STABLE
    with checkpoints.writing(target):
        for path in sorted(folder.glob("ckpt_*.pt")):
            if path.stem not in (LAST, f"{LAST}.prev"):
                checkpoints.link(folder, path.stem, target)
        checkpoints.link(folder, LAST, target)


def forget_stable(folder: Path) -> None:
    """Remove the copy left over from a run whose checkpoints the user deleted."""
    for path in sorted((folder / STABLE).glob("ckpt_*.pt")):
        checkpoints.delete(folder / STABLE, path.stem)


def _kept(progress: Progress) -> list[str]:
    return [BEST, *(f"ckpt_step{step:06d}" for _, step in progress.top)]
