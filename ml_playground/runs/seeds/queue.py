"""Assignment of seeds to workers.

As with the trials of a sweep, a worker claims a seed with the lock on its run folder, which the kernel releases when
the process dies; the supervising process then releases the seed. ``seeds.json`` records how far this session has come.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator
from typing import cast

from ml_playground.config import ExperimentConfig
from ml_playground.durable import is_locked, lock, read_regular, to_json, write_text
from ml_playground.engines.base import LOG
from ml_playground.runs.folder import LOCK, writing
from ml_playground.runs.seeds.configs import seed_configs

DONE = ""
Outcomes = dict[int, str | None]
"""By seed: None while a worker has it, :data:`DONE`, or why it failed. Seeds that no worker has had are absent."""


class SeedQueue:
    """The seeds of one session. The supervising process holds the lock of the experiment's folder."""

    def __init__(self, config: ExperimentConfig) -> None:
        self.configs = seed_configs(config)
        self.folder = config.train.runtime.out_dir
        self._record = self.folder / "seeds.json"

    def open(self, done: list[int]) -> None:
        """Begin a session in which some seeds need no training.

        Raises:
            RunFolderError: If another process trains one of the seeds.
        """
        for config in self.configs:
            if is_locked(config.train.runtime.out_dir / LOCK):
                with writing(config.train.runtime.out_dir):  # says which process it is
                    pass
        self._write(dict.fromkeys(done, DONE))

    def close(self) -> None:
        """End the session, in which all seeds were trained."""
        for path in (self._record, self.folder / ".claim"):
            path.unlink(missing_ok=True)
        log = self.folder / LOG
        if log.is_file() and not log.stat().st_size:
            log.unlink()

    @contextlib.contextmanager
    def claim(self) -> Generator[ExperimentConfig | None]:
        """Claim the next seed for the duration of the context; None if all have ended or are claimed by others.

        Raises:
            RunFolderError: If a process that is no worker of this session trains it.
        """
        with contextlib.ExitStack() as held:
            with self._lock():
                outcomes = self.outcomes()
                one = next((each for each in self.configs if each.train.runtime.seed not in outcomes), None)
                if one:
                    self._write({**outcomes, one.train.runtime.seed: None})
                    held.enter_context(writing(one.train.runtime.out_dir))
            yield one

    def end(self, seed: int, outcome: str) -> None:
        """Record the outcome of a seed."""
        with self._lock():
            self._write({**self.outcomes(), seed: outcome})

    def outcomes(self) -> Outcomes:
        """Return what is known about each seed."""
        record = cast("dict[str, str | None]", json.loads(read_regular(self._record)))
        return {int(seed): outcome for seed, outcome in record.items()}

    def release(self) -> list[ExperimentConfig]:
        """Return the seeds whose workers have died, which can then be claimed again."""
        with self._lock():
            outcomes = self.outcomes()
            claimed = [one for one in self.configs if outcomes.get(one.train.runtime.seed, DONE) is None]
            released = [one for one in claimed if not is_locked(one.train.runtime.out_dir / LOCK)]
            for one in released:
                del outcomes[one.train.runtime.seed]
            self._write(outcomes)
            return released

    def _lock(self) -> contextlib.AbstractContextManager[None]:
        return lock(self.folder / ".claim", wait=True)

    def _write(self, outcomes: Outcomes) -> None:
        write_text(self._record, to_json({str(seed): outcome for seed, outcome in outcomes.items()}))
