"""Interfaces of language models and model families, as used by the trainer and the sampler."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from torch import Tensor, nn
from torch.nn import functional as F

from ml_playground.errors import UserError
from ml_playground.models.config import ModelArgs, ModelConfig
from ml_playground.models.hugging_face import HuggingFaceModel
from ml_playground.models.kernels.cross_entropy import cross_entropy


class Cache(Protocol):
    """What a model remembers of past tokens during generation."""

    length: int
    """Number of tokens seen."""
    window: int
    """Number of tokens kept."""


@dataclass(frozen=True)
class GenerationDefaults:
    """How a pretrained model's authors want it to be sampled."""

    settings: Mapping[str, float] = field(default_factory=dict[str, float])
    """Such as ``temperature``, by the names of ``[sample.sample]``."""
    end_tokens: frozenset[int] = frozenset()
    """Ids that end a text, besides the tokenizer's own."""


class LanguageModel(nn.Module, ABC):
    """A causal language model over token ids."""

    block_size: int
    """Maximum context length in tokens."""
    vocab_size: int
    sliding_window: bool
    """Whether positions are relative, so that a cached context can slide beyond ``block_size`` tokens."""

    @property
    @abstractmethod
    def args(self) -> ModelArgs:
        """Arguments to rebuild this model; saved in checkpoints."""

    @property
    def generation(self) -> GenerationDefaults:
        """Defaults for sampling; none for a model that was not pretrained."""
        return GenerationDefaults()

    @abstractmethod
    def new_cache(self, batch: int, window: int) -> Cache:
        """Create an empty cache of the newest ``window`` tokens, for generation."""

    @abstractmethod
    def hidden(self, ids: Tensor, cache: Cache | None = None, positions: Tensor | None = None) -> Tensor:
        """Return the final hidden states, shape (batch, tokens, width), for ids of shape (batch, tokens).

        With a cache, ``ids`` continue the cached tokens and are appended to them. With ``positions``, of the same
        shape as ``ids``, a row is several texts, of which each begins at position 0 and sees itself only.
        """

    @property
    @abstractmethod
    def head_weight(self) -> Tensor:
        """Weight matrix that maps hidden states to logits, shape (vocab_size, width)."""

    def head(self, hidden: Tensor) -> Tensor:
        """Return logits, shape (..., vocab_size), for hidden states of shape (..., width)."""
        return F.linear(hidden, self.head_weight)

    def forward(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Return logits, shape (batch, tokens, vocab_size), for ids of shape (batch, tokens)."""
        return self.head(self.hidden(ids, cache))

    def loss(self, ids: Tensor, targets: Tensor, positions: Tensor | None = None) -> Tensor:
        """Return the mean cross entropy in nats over targets other than -1; all arguments are (batch, tokens)."""
        # A family of another package may not know positions, which few need.
        hidden = self.hidden(ids) if positions is None else self.hidden(ids, positions=positions)
        return cross_entropy(hidden.flatten(0, 1), self.head_weight, targets.flatten())

    def disable_adapters(self) -> None:
        """Compute what the pretrained model did before it was finetuned.

        Raises:
            UserError: If the model has no adapters that could be left out.
        """
        raise UserError("sample.runtime.adapters = false: the model has no adapters; only LoRA finetuning adds some")

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Return the parameters that training changes, by name: all except frozen ones."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def trainable_state(self) -> dict[str, Tensor]:
        """Return the tensors to save in a checkpoint, by name: all except frozen parameters, which can be reloaded."""
        frozen = self._frozen()
        return {name: tensor for name, tensor in self.state_dict().items() if name not in frozen}

    def load_trainable_state(self, state: Mapping[str, Tensor]) -> None:
        """Load a state returned by :meth:`trainable_state`.

        Raises:
            RuntimeError: If a tensor is missing, unexpected, or has the wrong shape.
        """
        if wrong := self.trainable_state().keys() ^ state.keys():
            raise RuntimeError(f"weights do not fit the model: {min(wrong)} is missing or unknown")
        self.load_state_dict(state, strict=False)

    def _frozen(self) -> set[str]:
        # Keep duplicates: a tied matrix has several names.
        return {name for name, p in self.named_parameters(remove_duplicate=False) if not p.requires_grad}


class ModelFamily(ABC):
    """A model architecture: builds models from arguments, and converts them to and from Hugging Face."""

    config: ClassVar[type[ModelConfig]]
    """Config class of the family's ``[train.model]`` table."""

    @abstractmethod
    def create(self, args: ModelArgs) -> LanguageModel:
        """Build a model to train, newly initialized or pretrained.

        Raises:
            TypeError: If an argument is missing or unknown.
        """

    def restore(self, args: ModelArgs) -> LanguageModel:
        """Build a model whose weights will be loaded from a checkpoint; defaults to :meth:`create`."""
        return self.create(args)

    @abstractmethod
    def parameter_count(self, args: ModelArgs) -> int:
        """Return the number of parameters without building the model, for an early memory check."""

    def parameter_counts(self, args: ModelArgs) -> tuple[int, int]:
        """Return the number of parameters, and how many of them are trained; by default all."""
        count = self.parameter_count(args)
        return count, count

    def to_hugging_face(self, model: LanguageModel) -> HuggingFaceModel:
        """Convert a model to the format of ``transformers``.

        Raises:
            ValueError: If ``transformers`` does not support the architecture.
        """
        raise ValueError(f"transformers has no {type(model).__name__}")

    def args_from_hugging_face(self, theirs: HuggingFaceModel) -> ModelArgs:
        """Return the arguments of a model in the format of ``transformers``.

        Raises:
            ValueError, KeyError: As for :meth:`from_hugging_face`.
        """
        return self.from_hugging_face(theirs).args

    def from_hugging_face(self, theirs: HuggingFaceModel) -> LanguageModel:
        """Convert a model from the format of ``transformers``.

        Raises:
            ValueError: If it uses features that this family does not support.
            KeyError, RuntimeError: If settings or weights are missing.
        """
        raise ValueError(f"{theirs.config.get('model_type')}: not a model of this family")
