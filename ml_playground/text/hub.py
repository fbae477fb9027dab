"""Where pretrained models are: in a folder, or on Hugging Face's hub by the name of their owner and their own."""

from __future__ import annotations

from pathlib import Path

from ml_playground.errors import DataError

_PARTS = 2


def is_local(path: Path, key: str) -> bool:
    """Return whether a model is in a folder and not on the hub.

    Args:
        path: The folder, or the name on the hub.
        key: The setting that it is from, for the message.

    Raises:
        DataError: If it is neither.
    """
    if path.is_dir():
        return True
    if path.is_absolute() or len(path.parts) != _PARTS:
        raise DataError(f"{key} = {path}: is neither a folder nor a name on the hub, such as 'Qwen/Qwen3-0.6B-Base'")
    return False
