"""A worker: claims trials and runs them until there are none left. All workers are alike, on whatever machine."""

from __future__ import annotations

import gc

import torch

from ml_playground.sweeping.claim import claimed
from ml_playground.sweeping.study import open_study
from ml_playground.sweeping.sweep import Sweep
from ml_playground.sweeping.trial import TrialRunner
from ml_playground.training.device import choose_hardware


def work(sweep: Sweep) -> None:
    """Run trials until all are done or claimed by other workers.

    Raises:
        TrialFailedError: a trial has failed.
        PlaygroundError: no trial can be run here.
        Stopped: a signal came; the trial can be resumed.
    """
    runtime = sweep.budget.base.train.runtime
    choose_hardware(runtime.device, runtime.dtype)  # says what this machine lacks before a trial has to
    study = open_study(sweep)
    gc.freeze()  # modules stay, and need not be looked through after every trial
    runner = TrialRunner(sweep, study, threads=max(1, torch.get_num_threads() // sweep.config.workers))
    while True:
        with claimed(sweep, study) as claim:
            if claim is None:
                return
            runner.run(claim)
