"""Key-value cache for generation."""

from __future__ import annotations

import torch
from torch import Tensor

from ml_playground.models.kernels.attention import attention_dtype


class KVCache:
    """Keys and values of the newest tokens, in preallocated ring buffers.

    In a full cache each new token overwrites the oldest one: attention of a single token over all cached ones does not
    depend on their order.
    """

    def __init__(self, layers: int, batch: int, window: int) -> None:
        """Create an empty cache that keeps the newest ``window`` tokens; memory is allocated on first use."""
        self.batch = batch
        self.window = window
        self.length = 0
        """Number of tokens seen."""
        self._layers: list[tuple[Tensor, Tensor] | None] = [None] * layers

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Append a layer's keys and values of new tokens and return those of all kept tokens.

        All have shape (batch, heads, tokens, head width). A batch of 1 is broadcast to all rows of the cache.

        Raises:
            ValueError: If several new tokens do not fit.
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
