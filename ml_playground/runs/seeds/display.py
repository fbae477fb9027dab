"""Progress of training with several seeds: a live table on a terminal, otherwise a line per event."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ml_playground.config import ExperimentConfig
from ml_playground.runs.folder import CONSOLE
from ml_playground.runs.manifest import RunManifest, find_manifest
from ml_playground.runs.seeds.plan import Plan
from ml_playground.runs.seeds.queue import DONE, SeedQueue
from ml_playground.terminal.console import console, say
from ml_playground.terminal.numbers import duration, loss
from ml_playground.terminal.table import LiveTable, Table

_TAIL_BYTES = 1000


@dataclass
class _Row:
    """What was last shown of a seed."""

    config: ExperimentConfig
    began_at: int
    """Step at the start of the session."""
    state: str = "waiting"
    step: int = 0

    @property
    def name(self) -> str:
        return f"seed {self.config.train.runtime.seed}"

    @property
    def folder(self) -> Path:
        return self.config.train.runtime.out_dir

    @property
    def max_iters(self) -> int:
        return self.config.train.runtime.max_iters


class SeedDisplay:
    """Shows each seed that is started, evaluated or has ended, and the remaining time."""

    def __init__(self, queue: SeedQueue, plan: Plan) -> None:
        self._queue = queue
        self._plan = plan
        self._rows = [_Row(config, _step(config.train.runtime.out_dir)) for config in queue.configs]
        for row in self._rows:
            row.step = row.began_at
            row.state = self._state(row)
        self._since = time.monotonic()
        self._live = LiveTable()

    def __enter__(self) -> Self:
        folder, plan = self._queue.folder, self._plan
        seeds = ", ".join(str(config.train.runtime.seed) for config in self._queue.configs)
        threads = f"{plan.threads} thread{'s' if plan.threads > 1 else ''}"
        say(
            f"seeds: {seeds}, {plan.workers} at a time with {threads} each; each is a run in {folder}/seed-N, with what"
            f" it says in {CONSOLE}  (curves: tensorboard --logdir {folder})"
        )
        self._live.__enter__()
        return self

    def __exit__(self, *_error: object) -> None:
        try:
            self.update()
        finally:
            self._live.__exit__()

    def update(self) -> None:
        """Refresh the display from the run folders."""
        for row in self._rows:
            state, manifest = self._state(row), find_manifest(row.folder)
            if state != row.state:
                row.state = state
                self._tell(row, manifest)
            elif state == "training" and manifest and manifest.step > row.step and not console.is_terminal:
                say(f"{row.name}: step {manifest.step:,}/{row.max_iters:,}  val loss {loss(manifest.val_loss)}")
            row.step = manifest.step if manifest else row.step
        if self._live.is_shown:
            self._live.update(self._table(), self._summary())

    def _state(self, row: _Row) -> str:
        outcomes, seed = self._queue.outcomes(), row.config.train.runtime.seed
        if seed not in outcomes:
            return "waiting"
        outcome = outcomes[seed]
        return "training" if outcome is None else "finished" if outcome == DONE else f"failed: {outcome}"

    def _tell(self, row: _Row, manifest: RunManifest | None) -> None:
        if row.state == "training":
            say(f"{row.name}: {f'resuming at step {row.began_at:,}' if row.began_at else 'training'} in {row.folder}")
        elif row.state == "finished" and manifest:
            best = f", best val loss {loss(manifest.best_val_loss)}" if manifest.best_val_loss is not None else ""
            say(f"{row.name}: finished at step {manifest.step:,}{best}; {self._summary()}")
        else:
            say(f"{row.name}: {row.state}; {self._summary()}")

    def _summary(self) -> str:
        ended = [row for row in self._rows if row.state not in ("waiting", "training")]
        line = f"{len(ended)} of {len(self._rows)} done"
        lefts = [row.max_iters - row.step for row in self._rows if row not in ended]
        done = sum(row.step - row.began_at for row in self._rows)
        if not lefts or done <= 0:
            return line
        # At the end, workers have nothing left to do, and the longest run counts.
        running = min(len(lefts), self._plan.workers)
        left = max(sum(lefts), max(lefts) * running) * (time.monotonic() - self._since) / done
        return f"{line}, about {duration(left)} left"

    def _table(self) -> Table:
        numbers = ["seed", "step", "%", "val loss", "best"]
        table = Table([*numbers, "status"], numbers=numbers)
        for row in self._rows:
            manifest = find_manifest(row.folder)
            values = [loss(manifest.val_loss), loss(manifest.best_val_loss)] if manifest else ["", ""]
            share = f"{100 * row.step / row.max_iters:.0f}"
            now = _last_line(row.folder / CONSOLE) if row.state == "training" else row.state
            table.add(str(row.config.train.runtime.seed), f"{row.step:,}", share, *values, now)
        return table


def _step(folder: Path) -> int:
    manifest = find_manifest(folder)
    return manifest.step if manifest and any(folder.glob("ckpt_last*.pt")) else 0


def _last_line(path: Path) -> str:
    """Return the last whole line of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES), os.SEEK_SET)
            lines = file.read().decode(errors="replace").rpartition("\n")[0].splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
