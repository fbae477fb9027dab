"""A worker: claims trials, then follow-up runs, until none are left. All workers are identical."""

from __future__ import annotations

import gc

import torch

from ml_playground.engines.registry import engines
from ml_playground.sweeping.claim import claim_next_run, claim_next_trial
from ml_playground.sweeping.study import open_study
from ml_playground.sweeping.sweep import Sweep
from ml_playground.sweeping.trial import TrialRunner
from ml_playground.training.device import choose_hardware


def work(sweep: Sweep) -> None:
    """Run trials, then confirm and extend the best ones, until all are done or claimed by other workers.

    Raises:
        TaskFailedError: If a trial failed.
        PlaygroundError: If no trial can run on this machine.
        Stopped: If a signal was received; the trial can be resumed.
    """
    runtime = sweep.budget.base.train.runtime
    choose_hardware(runtime.device, runtime.dtype)  # fails early if this machine lacks the hardware
    study = open_study(sweep)
    gc.freeze()  # loaded modules are permanent, so exclude them from collection after every trial
    sharing = sweep.config.workers if engines.get(sweep.config.engine).shares_cores else 1
    runner = TrialRunner(sweep, study, threads=max(1, torch.get_num_threads() // sharing))
    while True:
        with claim_next_trial(sweep, study) as claim:
            if claim is None:
                break
            runner.run(claim)
    while True:
        with claim_next_run(sweep, study) as run:
            if run is None:
                return
            runner.follow_up(run)
