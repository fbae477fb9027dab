"""Run a sweep: start the workers, show progress and write the results."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import optuna

from ml_playground.durable import lock
from ml_playground.engines.base import Engine, Job
from ml_playground.engines.registry import engines
from ml_playground.errors import ConfigError, RunError, Stopped, UserError
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.json_output import print_json
from ml_playground.sweeping.display import SweepDisplay
from ml_playground.sweeping.points import count_trained
from ml_playground.sweeping.record import results_record
from ml_playground.sweeping.results import Results, tell_results, write_results
from ml_playground.sweeping.study import create_study
from ml_playground.sweeping.supervisor import Supervisor
from ml_playground.sweeping.sweep import Sweep
from ml_playground.terminal.console import say
from ml_playground.training.stopping import StopSignal

_SECONDS_BETWEEN_LOOKS = 0.5
_REST = 20
"""Times as long as writing the results takes, until they are written again."""


def run_sweep(sweep: Sweep, *, json: bool = False) -> None:
    """Run the remaining trials of a sweep. Several processes may run the same sweep and share its trials; each returns
    when the last trial has ended.

    Args:
        sweep: The sweep.
        json: Print the results to standard output as JSON.

    Raises:
        UserError: If the data, the database or the device cannot be used, or the sweep has changed since it was
            created.
        RunError: If too many trials failed in a row, none has a score, or a file cannot be written.
        Stopped: If a signal was received; all trials are saved.
    """
    engine = _build_engine(sweep)
    dataset = prepare(sweep.budget.base)
    try:
        study = create_study(sweep, dataset.meta.fingerprint)
        _run_trials(sweep, study, engine)
        _say_if_exhausted(sweep, study)
        results = _write(sweep, study)
    except OSError as error:
        raise RunError(
            f"{sweep.folder}: {error}; trials are kept: fix that, then run the same command to resume"
        ) from error

    tell_results(results)
    if json:
        print_json(results_record(results))


def _build_engine(sweep: Sweep) -> Engine:
    job = Job(
        "ml_playground.sweeping.worker:work",
        (sweep,),
        sweep.config.workers,
        sweep.folder,
        partial(sweep.document.error, "workers"),
        sweep.engine_settings,
    )
    try:
        engine = engines.get(sweep.config.engine)(job)
        if not engine.shares_cores and isinstance(sweep.database, Path):
            say(
                f"{sweep.database}: SQLite needs locks that many network file systems lack; with several machines, set"
                ' storage = "postgresql://user@host/name"'
            )
        return engine
    except ConfigError:
        raise
    except UserError as error:
        raise sweep.document.error("engine", str(error)) from None


def _write(sweep: Sweep, study: optuna.Study) -> Results:
    with lock(sweep.folder / ".lock", wait=True):  # another process may be writing the same files
        return write_results(sweep, study)


def _run_trials(sweep: Sweep, study: optuna.Study, engine: Engine) -> None:
    with StopSignal() as stop, SweepDisplay(sweep, study) as display, Supervisor(sweep, study, engine) as workers:
        written, due = display.ended, 0.0
        while workers.tend(_SECONDS_BETWEEN_LOOKS) and not stop.signum:
            display.update()
            if display.ended != written and (started := time.monotonic()) >= due:
                written = display.ended
                _write(sweep, study)
                # With a thousand trials, the report takes a while.
                due = started + _REST * (time.monotonic() - started)
    if stop.signum:
        results = _write(sweep, study)
        if results.trials:
            for line in results.answer:
                say(line)
        done = count_trained(trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished())
        raise Stopped(
            stop.signum, f"stopped with {done} of {sweep.n_trials} trials done; run the same command to resume"
        )


def _say_if_exhausted(sweep: Sweep, study: optuna.Study) -> None:
    tried, wanted = count_trained(study.get_trials(deepcopy=False)), sweep.config.n_trials
    if wanted is not None and tried < wanted:
        say(f"the space is exhausted: all {tried} valid points are tried, fewer than n_trials = {wanted}")
