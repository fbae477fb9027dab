"""The verb ``sweep``: start the workers, show how far they are, and write what has come of it."""

from __future__ import annotations

from optuna.trial import TrialState

from ml_playground.console import say
from ml_playground.durable import lock
from ml_playground.errors import Stopped
from ml_playground.runs.prepare import prepare
from ml_playground.sweeping.display import SweepDisplay
from ml_playground.sweeping.local import LocalWorkers
from ml_playground.sweeping.results import write_results
from ml_playground.sweeping.study import create_study
from ml_playground.sweeping.sweep import Sweep
from ml_playground.training.stopping import StopSignal

_SECONDS_BETWEEN_LOOKS = 0.5


def run_sweep(sweep: Sweep) -> None:
    """Run what is left of a sweep. The same sweep started twice is shared by both.

    Raises:
        UserError: the data, the database or the device cannot be used, or the sweep has changed since it was begun.
        RunError: too many trials have failed in a row, or a disk is full; the same command goes on.
        Stopped: a signal came; all trials are saved.
    """
    dataset = prepare(sweep.budget.base)
    study = create_study(sweep, dataset.meta.fingerprint)
    with StopSignal() as stop, SweepDisplay(sweep, study) as display, LocalWorkers(sweep, study) as workers:
        while workers.tend(_SECONDS_BETWEEN_LOOKS) and not stop.signum:
            display.update()
    if stop.signum:
        done = sum(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))
        raise Stopped(stop.signum, f"stopped with {done} of {sweep.n_trials} trials done; the same command goes on")
    with lock(sweep.folder / ".lock", wait=True):  # another start may be at its end too
        write_results(sweep, study)
    if elsewhere := study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        say(f"{len(elsewhere)} more trials are at work in another start of this sweep")
