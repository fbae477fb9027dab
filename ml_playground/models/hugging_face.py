"""Representation of a model in the format of ``transformers``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class HuggingFaceModel:
    """Config and weights of a folder that ``from_pretrained`` loads."""

    config: dict[str, Any]
    """Content of ``config.json``."""
    weights: dict[str, Tensor]
    """State dict of the class in ``config["architectures"]``, without a tied head."""

    def expect(self, **settings: object) -> None:
        """Check that settings, where present in the config, have the values our implementation supports.

        Raises:
            ValueError: If a setting has another value.
        """
        for name, value in settings.items():
            if (theirs := self.config.get(name, value)) != value:
                raise ValueError(f"{name} = {theirs!r}: only {value!r} can be read")
