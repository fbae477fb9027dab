"""Which checkpoints a run keeps, written behind training's back."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import BEST, LAST, Checkpoint, LoadedCheckpoint
from ml_playground.training.config import TrainRuntimeConfig
from ml_playground.training.state import Progress

_TOP_K = re.compile(r"ckpt_step\d{6,}\.(pt|json)")


class CheckpointWriter:
    """Writes the last, the best and the top k of a run, one save at a time, in a thread.

    What a save raises comes out of the next :meth:`save` or :meth:`raise_failure`, or of the end of the block, which
    waits for the last one.
    """

    def __init__(self, folder: Path, runtime: TrainRuntimeConfig, on_save: Callable[[Progress], None]) -> None:
        """``on_save``: called in the thread, after each checkpoint, with the progress that it holds."""
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
        """Finish what an earlier session, which may have been killed at any moment, left undone."""
        checkpoints.promote(found)
        self.keep(progress)

    def save(self, checkpoint: Checkpoint, progress: Progress) -> None:
        """Write the state as it is now; later training steps do not change what is written."""
        self._join()
        checkpoint, progress = copy.deepcopy((checkpoint, progress))
        self._saved_at = time.monotonic()
        self._pending = self._executor.submit(self._write, checkpoint, progress)

    def raise_failure(self) -> None:
        """Raise what the last save has raised, where it has ended; nothing is waited for."""
        if self._pending and self._pending.done():
            self._join()

    def keep(self, progress: Progress) -> None:
        """Keep ``ckpt_last.pt`` under the names that its step has earned, where it is not there yet."""
        if progress.evaluated != progress.step:
            return
        if progress.best_step == progress.step or self._runtime.always_save_checkpoint:
            self._copy_to(BEST, progress.step)
        top = {f"ckpt_step{step:06d}" for _, step in progress.top}
        if (name := f"ckpt_step{progress.step:06d}") in top:
            self._copy_to(name, progress.step)
        # Of either file: a kill between the removal of both leaves one. People's own copies have other names.
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
        manifest = checkpoints.read_manifest(self._folder, stem)
        if manifest is None or manifest.step != step:
            checkpoints.copy(self._folder, LAST, stem)

    def _join(self) -> None:
        pending, self._pending = self._pending, None
        if pending:
            pending.result()
