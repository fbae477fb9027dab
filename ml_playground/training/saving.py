"""Asynchronous checkpoint writing and retention."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import Checkpoint, LoadedCheckpoint
from ml_playground.training.checkpoint_manifest import BEST, LAST, read_manifest
from ml_playground.training.config import TrainRuntimeConfig
from ml_playground.training.stable import keep_stable
from ml_playground.training.state import Progress

_TOP_K = re.compile(r"ckpt_step\d{6,}\.(pt|json)")


def top_names(progress: Progress) -> set[str]:
    """Return the names of the top k checkpoints."""
    return {f"ckpt_step{step:06d}" for _, step in progress.top}


class CheckpointWriter:
    """Writes the last, best and top k checkpoints of a run in a background thread, one save at a time.

    An exception raised by a save is re-raised by the next :meth:`save` or :meth:`raise_failure`, or on exit from the
    context, which waits for the last save.
    """

    def __init__(self, folder: Path, runtime: TrainRuntimeConfig, on_save: Callable[[Progress], None]) -> None:
        """Start the writer thread.

        Args:
            folder: Run folder.
            runtime: Settings that define which checkpoints are kept.
            on_save: Called in the thread after each checkpoint, with the progress stored in it.
        """
        self._folder = folder
        self._runtime = runtime
        self._on_save = on_save
        self._saved_at = time.monotonic()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._pending: Future[None] | None = None

    @property
    def is_due(self) -> bool:
        """Whether ``ckpt_time_interval_minutes`` have passed since the last save."""
        minutes = self._runtime.ckpt_time_interval_minutes
        return bool(minutes) and time.monotonic() - self._saved_at >= 60 * minutes

    def resume(self, found: LoadedCheckpoint, progress: Progress) -> None:
        """Complete the pending work of an earlier session, which may have been killed at any point."""
        checkpoints.promote(found)
        self.keep(progress)

    def save(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Write a snapshot of the state; later training steps do not affect it."""
        self._join()
        checkpoint, progress = copy.deepcopy((checkpoint, progress))
        self._saved_at = time.monotonic()
        self._pending = self._executor.submit(self._write, checkpoint, progress)

    def keep_stable(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Keep a snapshot of the state, from which a longer run can resume; see :mod:`.stable`."""
        self._join()
        self._pending = self._executor.submit(keep_stable, self._folder, *copy.deepcopy((checkpoint, progress)))

    def raise_failure(self) -> None:
        """Re-raise the exception of the last save if it has finished; never waits."""
        if self._pending and self._pending.done():
            self._join()

    def keep(self, progress: Progress) -> None:
        """Copy ``ckpt_last.pt`` to the best and top k names it qualifies for, unless already there."""
        if progress.evaluated != progress.step:
            return
        if progress.best_step == progress.step or self._runtime.always_save_checkpoint:
            self._copy_to(BEST, progress.step)
        top = top_names(progress)
        if (name := f"ckpt_step{progress.step:06d}") in top:
            self._copy_to(name, progress.step)
        # Match .pt and .json: a kill between the two deletions leaves one of them. Users' own copies have other names.
        written = {path.stem for path in self._folder.glob("ckpt_step*") if _TOP_K.fullmatch(path.name)}
        for stem in written - top:
            checkpoints.delete(self._folder, stem)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        self._executor.shutdown()
        if kind is None:
            self._join()

    def _write(self, checkpoint: Checkpoint, progress: Progress) -> None:
        checkpoints.save(self._folder, LAST, checkpoint, progress.step, progress.val_loss)
        self.keep(progress)
        self._on_save(progress)

    def _copy_to(self, stem: str, step: int) -> None:
        manifest = read_manifest(self._folder, stem)
        if manifest is None or manifest.step != step:
            checkpoints.copy(self._folder, LAST, stem)

    def _join(self) -> None:
        pending, self._pending = self._pending, None
        if pending:
            pending.result()
