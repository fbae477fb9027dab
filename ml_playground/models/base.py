"""What the trainer and the sampler ask of a model, whatever its family."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn
from torch.nn import functional as F

from ml_playground.models.kernels.cross_entropy import cross_entropy
from ml_playground.models.kv_cache import KVCache

ModelArgs = dict[str, int | float | bool | str]


class LanguageModel(nn.Module, ABC):
    """A causal model of token ids."""

    block_size: int
    """Longest context in tokens."""
    vocab_size: int
    slides: bool
    """Whether positions are relative, so that the context of a cached model moves on past ``block_size`` tokens."""

    @property
    @abstractmethod
    def args(self) -> ModelArgs:
        """What it takes to build the same model; travels in checkpoints."""

    @abstractmethod
    def new_cache(self, batch: int, window: int) -> KVCache:
        """An empty cache of the newest ``window`` tokens, for generation."""

    @abstractmethod
    def hidden(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Final hidden states, shape (batch, tokens, width), for ids of shape (batch, tokens).

        With a cache, ``ids`` continue what the cache has seen, and are added to it.
        """

    @property
    @abstractmethod
    def head_weight(self) -> Tensor:
        """The matrix from hidden states to logits, shape (vocab_size, width)."""

    def head(self, hidden: Tensor) -> Tensor:
        """Logits over the vocabulary, shape (..., vocab_size), for hidden states of shape (..., width)."""
        return F.linear(hidden, self.head_weight)

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Logits, shape (batch, tokens, vocab_size)."""
        return self.head(self.hidden(ids, cache))

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross entropy in nats over the targets that are not -1; both of shape (batch, tokens)."""
        return cross_entropy(self.hidden(ids).flatten(0, 1), self.head_weight, targets.flatten())
