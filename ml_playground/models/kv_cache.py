"""What attention remembers while text is generated."""

from __future__ import annotations

import torch
from torch import Tensor

from ml_playground.models.kernels.attention import attention_dtype


class KVCache:
    """Keys and values of the newest tokens, in memory that is allocated once.

    A full cache forgets its oldest token for each new one, whose place it takes: attention of one token to all that
    are kept does not ask for their order.
    """

    def __init__(self, layers: int, batch: int, window: int) -> None:
        """``window``: tokens that are kept."""
        self.batch = batch
        self.window = window
        self.length = 0
        """Tokens seen."""
        self._layers: list[tuple[Tensor, Tensor] | None] = [None] * layers

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add a layer's keys and values of new tokens; those of all that are kept come back.

        Both have the shape (batch, heads, tokens, head width). A batch of 1 stands for all of the cache's rows.

        Raises:
            ValueError: several new tokens that do not fit.
        """
        new = key.shape[2]
        if new > 1 and self.length + new > self.window:
            raise ValueError(f"{new} tokens do not fit a cache of {self.window} that has seen {self.length}")
        if (kept := self._layers[layer]) is None:
            shape = (self.batch, key.shape[1], self.window, key.shape[3])
            memory = torch.empty(2, *shape, dtype=attention_dtype(value), device=value.device)
            kept = self._layers[layer] = (memory[0], memory[1])
        place, tokens = self.length % self.window, min(self.length + new, self.window)
        for memory, fresh in zip(kept, (key, value), strict=True):
            memory[:, :, place : place + new] = fresh
        return kept[0][: len(key), :, :tokens], kept[1][: len(key), :, :tokens]
