"""The commands, as they are, in children of a fork server that has imported torch once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ml_playground import cli, run
from tests.integration import children

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([children.__name__, __name__])

_SECONDS = 15.0
"""What takes longer was told to: it is asked to stop."""
_SECONDS_TO_STOP = 30.0


@dataclass(frozen=True)
class Outcome:
    """How a command has ended."""

    code: int | None
    """None where it had to be killed."""
    stopped: bool
    """Whether it was asked to stop."""
    err: str

    def problem(self) -> str | None:
        """What no damage of a file excuses."""
        if self.code is None:
            return "hangs"
        if self.code not in (0, 1, 2) and not (self.stopped and self.code == 143):
            return f"exit code {self.code}"
        if "Traceback" in self.err:
            return "a traceback"
        if "unexpected" in self.err.lower():
            return "the last resort"
        lines = self.err.splitlines()
        if self.code in (1, 2) and not lines:
            return f"exit code {self.code} without a word"
        if self.code == 2 and len(lines) > 12:
            return f"{len(lines)} lines"
        if lines and len(lines[-1]) > 1500:
            return f"a line of {len(lines[-1])} characters"
        return None


def command(folder: Path, *arguments: str, seconds: float = _SECONDS) -> Outcome:
    """Run ``mlp``, or ``mlp-run`` where that is the first argument, in a folder."""
    log = folder.with_name(f"{folder.name}.log")
    process = _context.Process(target=_child, args=(folder, log, arguments))
    process.start()
    process.join(seconds)
    stopped = process.is_alive()
    if stopped:
        process.terminate()
        process.join(_SECONDS_TO_STOP)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
    with contextlib.suppress(FileNotFoundError):
        return Outcome(code, stopped, log.read_text(encoding="utf-8", errors="replace"))
    return Outcome(code, stopped, "")


def _child(folder: Path, log: Path, arguments: tuple[str, ...]) -> None:
    os.chdir(folder)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDWR)
    for number, target in enumerate((null, null, descriptor)):
        os.dup2(target, number)
    if arguments[0] == "mlp-run":
        sys.argv = list(arguments)
        run.main()
    sys.argv = ["mlp", *arguments]
    cli.main()
