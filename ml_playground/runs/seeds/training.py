"""Train an experiment with several seeds: start the workers, show progress, and restart those that crash."""

from __future__ import annotations

import signal

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.engines.base import LOG, Engine, Job, TaskFailedError
from ml_playground.engines.pool import Crashes, Pool
from ml_playground.engines.registry import engines
from ml_playground.errors import RunError, Stopped
from ml_playground.runs.folder import writing
from ml_playground.runs.manifest import find_manifest
from ml_playground.runs.seeds.configs import summary
from ml_playground.runs.seeds.display import SeedDisplay
from ml_playground.runs.seeds.plan import Plan, plan_workers, refuse
from ml_playground.runs.seeds.queue import SeedQueue
from ml_playground.terminal.console import say
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import BEST, LAST
from ml_playground.training.device import Hardware
from ml_playground.training.state import Progress
from ml_playground.training.stopping import StopSignal

_SECONDS_BETWEEN_LOOKS = 0.5
_MAX_CRASHES = 3
"""Of a seed at the same step, until it counts as failed."""


def train_seeds(config: ExperimentConfig, dataset: PreparedDataset, hardware: Hardware) -> Progress:
    """Train one run per seed, resuming those that were interrupted, and return the progress of the last seed.

    Raises:
        UserError: If a folder is locked, or no seed can be trained.
        RunError: If a run failed; the others are trained nevertheless.
        Stopped: If a signal was received; all runs are saved.
    """
    plan, folder = plan_workers(config, dataset, hardware), config.train.runtime.out_dir
    with writing(folder):
        queue = SeedQueue(config)
        queue.open([one.train.runtime.seed for one in queue.configs if _says_finished(one)])
        if len(queue.outcomes()) < len(queue.configs):
            work = ("ml_playground.runs.seeds.worker:work", (config, plan.threads))
            _train(queue, plan, engines.get("local")(Job(*work, plan.workers, folder, refuse)))
        failed = {seed: problem for seed, problem in queue.outcomes().items() if problem}
        queue.close()
    say(summary(config))
    if failed:
        seed, problem = next(iter(failed.items()))
        raise RunError(f"{folder}: {len(failed)} of {len(queue.configs)} seeds failed; seed {seed}: {problem}")
    found = checkpoints.find_last(queue.configs[-1].train.runtime.out_dir)
    return Progress(**found.checkpoint["state"]["progress"]) if found else Progress()  # type: ignore[arg-type]  # written by asdict()


def _train(queue: SeedQueue, plan: Plan, engine: Engine) -> None:
    crashes, left = Crashes(_MAX_CRASHES), len(queue.configs) - len(queue.outcomes())
    with StopSignal() as stop, SeedDisplay(queue, plan) as display, Pool(engine) as pool:
        pool.start(min(plan.workers, left))
        while pool and not stop.signum:
            if codes := list(filter(None, pool.wait(_SECONDS_BETWEEN_LOOKS))):
                _judge(queue, crashes, codes)
                pool.start(len(codes))
            display.update()
    if stop.signum:
        done = sum(outcome is not None for outcome in queue.outcomes().values())
        raise Stopped(
            stop.signum,
            f"stopped with {done} of {len(queue.configs)} seeds done, saved; run the same command to resume",
        )


def _says_finished(config: ExperimentConfig) -> bool:
    """Return whether the run with a seed has finished, which is said, without loading its checkpoint."""
    folder = config.train.runtime.out_dir
    manifest = find_manifest(folder)
    if manifest is None or manifest.status != "finished" or not (folder / f"{LAST}.pt").exists():
        return False
    if manifest.step < config.train.runtime.max_iters:  # it may have stopped early
        return False
    say(
        f"{folder}: finished at step {manifest.step:,}; to train again, delete {LAST}.pt and {BEST}.pt, or set another"
        " train.runtime.out_dir"
    )
    return True


def _judge(queue: SeedQueue, crashes: Crashes, codes: list[int]) -> None:
    """Count crashes, and give up a seed that has crashed too often.

    Raises:
        RunError: If workers crash before they have a seed.
    """
    code = next((code for code in codes if code != TaskFailedError.exit_code), None)
    if code is None:
        return
    released = queue.release()
    for one in released:
        manifest = find_manifest(one.train.runtime.out_dir)
        if why := crashes.add(one.train.runtime.seed, manifest.step if manifest else None, code):
            # SIGKILL probably came from the kernel's out-of-memory killer.
            memory = ": out of memory? Try fewer train.runtime.seed_workers" if code == -signal.SIGKILL else ""
            queue.end(one.train.runtime.seed, f"{why}{memory}")
    if not released and crashes.add(-1, None, code):
        raise RunError(f"{queue.folder}: {_MAX_CRASHES} workers crashed before they had a seed; see {LOG} there")
