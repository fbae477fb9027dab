"""A model as transformers keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class HuggingFaceModel:
    """The two parts of a folder that ``from_pretrained`` reads."""

    config: dict[str, Any]
    """``config.json``, which has numbers, strings and tables."""
    weights: dict[str, Tensor]
    """State dict of the class that ``config["architectures"]`` names; a tied head is left out."""

    def expect(self, **settings: object) -> None:
        """Raises:
        ValueError: a setting is there and has another value than the one that our model has built in.
        """
        for name, value in settings.items():
            if (theirs := self.config.get(name, value)) != value:
                raise ValueError(f"{name} = {theirs!r}: only {value!r} can be read")
