"""Representation of a model in the format of ``transformers``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]  # typed in part
from torch import Tensor

from ml_playground.durable import open_regular, read_regular
from ml_playground.errors import UserError, first_line


@dataclass(frozen=True)
class HuggingFaceModel:
    """Config and weights of a folder that ``from_pretrained`` loads."""

    config: dict[str, Any]
    """Content of ``config.json``."""
    weights: dict[str, Tensor]
    """State dict of the class in ``config["architectures"]``, without a tied head. May share memory with our model."""

    def expect(self, **settings: object) -> None:
        """Check that settings, where present in the config, have the values our implementation supports.

        Raises:
            ValueError: If a setting has another value.
        """
        for name, value in settings.items():
            if (theirs := self.config.get(name, value)) != value:
                raise ValueError(f"{name} = {theirs!r}: only {value!r} can be read")


def read_hugging_face(folder: Path) -> HuggingFaceModel:
    """Read ``config.json`` and all weights in safetensors from a folder that ``save_pretrained`` wrote.

    Raises:
        UserError: If one of them is missing or damaged.
    """
    path = folder / "config.json"
    try:
        config: object = json.loads(read_regular(path))
        if not isinstance(config, dict):
            raise UserError(f"{path}: is not a configuration of transformers")
        files = sorted(folder.glob("*.safetensors"))
        if not files:
            raise UserError(f"{folder}: has no weights in safetensors; save them with safe_serialization=True")
        weights: dict[str, Tensor] = {}
        for path in files:
            open_regular(path).close()  # no pipe
            weights |= load_file(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError, SafetensorError) as error:
        raise UserError(f"{path}: is damaged: {first_line(error)[:200]}") from None
    return HuggingFaceModel(cast("dict[str, Any]", config), weights)
