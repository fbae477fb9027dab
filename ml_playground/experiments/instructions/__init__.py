"""Instruction data: the user's own file of JSON lines."""

from __future__ import annotations

from ml_playground.errors import DataError
from ml_playground.experiments.registry import preparer
from ml_playground.text.config import PrepareConfig
from ml_playground.text.conversation import ConversationFile


@preparer("instructions")
def instructions(config: PrepareConfig) -> ConversationFile:
    """Return the file at ``[prepare] input``.

    Raises:
        DataError: If none is named.
    """
    if config.input is None:
        raise DataError("prepare.input: missing; name a file of JSON lines with messages, or prompt and completion")
    return ConversationFile(config.input, config.normalize)
