"""What the trainer and the sampler ask of a model, and what a family gives, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from ml_playground.models.config import ModelArgs, ModelConfig
from ml_playground.models.hugging_face import HuggingFaceModel
from ml_playground.models.kernels.cross_entropy import cross_entropy


class Cache(Protocol):
    """What a model remembers of past tokens while it generates."""

    length: int
    """Tokens seen."""
    window: int
    """Tokens that are kept."""

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add a layer's keys and values of new tokens; those of all that are kept come back.

        Both have the shape (batch, heads, tokens, head width).
        """
        ...


class LanguageModel(nn.Module, ABC):
    """A causal model of token ids."""

    block_size: int
    """Longest context in tokens."""
    vocab_size: int
    sliding_window: bool
    """Whether positions are relative, so that the context of a cached model moves on past ``block_size`` tokens."""

    @property
    @abstractmethod
    def args(self) -> ModelArgs:
        """What it takes to build the same model; travels in checkpoints."""

    @abstractmethod
    def new_cache(self, batch: int, window: int) -> Cache:
        """An empty cache of the newest ``window`` tokens, for generation."""

    @abstractmethod
    def hidden(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
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

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Logits, shape (batch, tokens, vocab_size), for ids of shape (batch, tokens)."""
        return self.head(self.hidden(ids, cache))

    def loss(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Mean cross entropy in nats over the targets that are not -1; both of shape (batch, tokens)."""
        return cross_entropy(self.hidden(ids).flatten(0, 1), self.head_weight, targets.flatten())

    def trainable_state(self) -> dict[str, Tensor]:
        """The tensors by name that a checkpoint has: all but frozen parameters, which are where they came from."""
        frozen = self._frozen()
        return {name: tensor for name, tensor in self.state_dict().items() if name not in frozen}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Load what :meth:`trainable_state` gave.

        Raises:
            RuntimeError: a tensor is missing, unknown, or of another shape.
        """
        if wrong := self.trainable_state().keys() ^ state.keys():
            raise RuntimeError(f"weights do not fit the model: {min(wrong)} is missing or unknown")
        self.load_state_dict(state, strict=False)

    def _frozen(self) -> set[str]:
        # Duplicates, too: a tied matrix has several names.
        return {name for name, p in self.named_parameters(remove_duplicate=False) if not p.requires_grad}


class ModelFamily(ABC):
    """A family of models: from its arguments to a model, and to and from other programs."""

    config: ClassVar[type[ModelConfig]]
    """Its ``[train.model]``."""

    @abstractmethod
    def create(self, args: ModelArgs) -> LanguageModel:
        """A model to train: freshly initialised, or pretrained.

        Raises:
            TypeError: an argument is missing, or unknown.
        """

    def restore(self, args: ModelArgs) -> LanguageModel:
        """A model whose trained weights are to be loaded from a checkpoint; by default as :meth:`create` makes it."""
        return self.create(args)

    @abstractmethod
    def parameter_count(self, args: ModelArgs) -> int:
        """How many numbers such a model learns, without building it: what memory is judged by first."""

    def to_hugging_face(self, model: LanguageModel) -> HuggingFaceModel:
        """The same model for transformers.

        Raises:
            ValueError: transformers has no such model.
        """
        raise ValueError(f"transformers has no {type(model).__name__}")

    def from_hugging_face(self, theirs: HuggingFaceModel) -> LanguageModel:
        """The same model from transformers.

        Raises:
            ValueError: it has what this family has not.
        """
        raise ValueError(f"{theirs.config.get('model_type')}: not a model of this family")
