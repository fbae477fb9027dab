"""Preparers: functions that turn ``[prepare]`` into a source of text or of conversations, found by name.

A preparer is a function decorated with :func:`preparer`, in a module of ``ml_playground.experiments`` or in one that
another package lists under the entry point group of that name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ml_playground.errors import UserError
from ml_playground.registry import Registry
from ml_playground.text.config import PrepareConfig
from ml_playground.text.conversation import ConversationFile
from ml_playground.text.source import TextSource

Preparer = Callable[[PrepareConfig], TextSource | ConversationFile]

_preparers: Registry[Preparer] = Registry("preparer", "ml_playground.experiments", "ml_playground.experiments")
preparer = _preparers.register


def find_preparer(name: str) -> Preparer:
    """Return the preparer with that name.

    Raises:
        UserError: there is none.
    """
    try:
        return _preparers.get(name)
    except UserError as error:
        raise UserError(f"prepare.preparer: {error}") from None


def default_folder(name: str) -> Path:
    """Return the default folder of an experiment's text: next to its preparer in a checkout, else in ``data``."""
    home = Path("ml_playground/experiments") / name
    return home / "datasets" if home.is_dir() else Path("data") / name
