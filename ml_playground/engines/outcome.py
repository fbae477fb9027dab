"""How the process of a worker ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator
from pathlib import Path

from ml_playground.engines.base import LOG, Job, TaskFailedError
from ml_playground.errors import PlaygroundError, Stopped
from ml_playground.signals import stop_on_signals
from ml_playground.terminal.streams import forgive_streams


def run_in_this_process(job: Job) -> int | PlaygroundError:
    """Do a worker's job, with the output in the job's log.

    Returns:
        The exit code, or an error that would affect every other worker.
    """
    stop_on_signals()
    try:
        with _output_to(job.folder / LOG):
            job.run()
    except (TaskFailedError, Stopped) as error:
        return error.exit_code
    except PlaygroundError as error:
        return error
    return 0


@contextlib.contextmanager
def _output_to(path: Path) -> Generator[None]:
    """Redirect all output, also that of libraries that write to the descriptors."""
    before = [os.dup(descriptor) for descriptor in (1, 2)]
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    forgive_streams()
    try:
        yield
    finally:
        for descriptor, original in zip((1, 2), before, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
