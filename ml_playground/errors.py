"""Exceptions that this package raises deliberately.

::

    PlaygroundError
    ├── UserError                exit 2: the user's input is wrong; one line says where it is and how to fix it
    │   ├── UsageError           the command line
    │   ├── ConfigError          a TOML file: ``file:line: key: problem``
    │   ├── DataError            a source text, a prepared dataset, a prompt
    │   ├── RunFolderError       a run folder that is in use, or does not fit the config
    │   └── TooLargeError        training would need more memory than is free
    └── RunError                 exit 1: the run failed
        ├── DivergedError        a loss or gradient is not finite
        ├── OutOfMemoryError     there is not enough memory for the batch
        └── CheckpointError      a checkpoint is damaged, unreadable or not a checkpoint

    Stopped                      exit 129/130/143: SIGHUP, SIGINT, SIGTERM, after saving; not an Exception, like
                                 KeyboardInterrupt
"""

from __future__ import annotations

import errno
import unicodedata
from pathlib import Path
from typing import Self


def printable(text: str) -> str:
    """Return the text as one line; non-printable characters, including line breaks, are escaped as in Python."""
    return "".join(
        char if char.isprintable() or unicodedata.category(char) == "Zs" else ascii(char)[1:-1] for char in text
    )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message that is not blank; the name of its type if there is none."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


class PlaygroundError(Exception):
    """Base class of all errors; the entry points turn it into one line and ``exit_code``."""

    exit_code = 1


class UserError(PlaygroundError):
    """The user's input is wrong."""

    exit_code = 2


class UsageError(UserError):
    """The command line is wrong."""


class ConfigError(UserError):
    """A configuration file is wrong."""


class DataError(UserError):
    """A text, dataset or prompt cannot be used."""


class RunFolderError(UserError):
    """A run folder is in use, or does not fit the configuration."""


class TooLargeError(UserError):
    """Training would need more memory than is free."""


class RunError(PlaygroundError):
    """The run failed."""

    @classmethod
    def of_files(cls, folder: Path, error: OSError) -> Self:
        """Create the error for a file of the run folder that cannot be written or read."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return cls(f"{folder}: the disk is full; make room, then run the same command again: {kept(folder)}")
        return cls(f"{folder}: {error}; {kept(folder)}")


def kept(folder: Path) -> str:
    """Return what a failed run leaves in its folder, for messages, promising no more than what exists."""
    if any(folder.glob("ckpt_last*.pt")):
        return "the last checkpoint is kept"
    return "no checkpoint has been written yet"


class DivergedError(RunError):
    """A loss or gradient is infinite or not a number."""


class OutOfMemoryError(RunError):
    """There is not enough memory for the batch."""


class CheckpointError(RunError):
    """A checkpoint is damaged, unreadable, or not a checkpoint."""


class Stopped(BaseException):
    """A signal asked the process to stop; everything that needed saving has been saved.

    Not an ``Exception``: it can be raised inside a library, and some libraries catch and rewrap all exceptions.
    """

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = 128 + signum
