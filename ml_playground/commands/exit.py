"""Error handling shared by both commands: errors become one line and an exit code."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import NoReturn

from ml_playground.errors import PlaygroundError, Stopped, printable
from ml_playground.signals import stop_on_signals
from ml_playground.terminal.streams import forgive_streams


def run_command(command: Callable[[], None]) -> NoReturn:
    """Run a command and exit: 0 success, 1 run failed, 2 invalid input, 129/130/143 stopped by a signal."""
    forgive_streams()
    stop_on_signals()
    try:
        command()
    except (PlaygroundError, Stopped) as error:
        print(printable(str(error)), file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001  # last resort: an exception that gets here is a bug and is reported as one
        print(_unexpected(error), file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def _unexpected(error: Exception) -> str:
    """Return the message for a bug, and write its traceback to a file."""
    lines = str(error).strip().splitlines()
    what = printable(f"unexpected {type(error).__name__}{f': {lines[0][:200]}' if lines else ''}")
    try:
        descriptor, path = tempfile.mkstemp(".log", "mlp-error-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as log:
            log.write(f"{' '.join(sys.argv)!a}\n{''.join(traceback.format_exception(error))}")
    except OSError as problem:
        return f"{what}; this is a defect, please report it (its traceback cannot be written: {problem.strerror})"
    return f"{what}; this is a defect: please report it with {path}, which has the traceback"
