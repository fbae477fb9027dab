"""Build models from the arguments saved in checkpoints."""

from __future__ import annotations

from ml_playground.models.base import LanguageModel, ModelFamily
from ml_playground.models.config import DEFAULT_FAMILY, ModelArgs
from ml_playground.models.registry import families


def parameter_count(args: ModelArgs) -> int:
    """Return the number of trainable parameters of a model without building it.

    Raises:
        UserError, TypeError: As for :func:`create_model`.
    """
    return _family(args).parameter_count(args)


def trained_count(args: ModelArgs) -> int:
    """Return how many of the parameters are trained, without building the model.

    Raises:
        UserError, TypeError: As :func:`create_model`.
    """
    return _family(args).trained_count(args)


def create_model(args: ModelArgs) -> LanguageModel:
    """Build a model to train, newly initialized or, depending on the family, pretrained.

    Raises:
        UserError: If no family has that name.
        TypeError: If an argument is missing or unknown.
    """
    return _family(args).create(args)


def build_model(args: ModelArgs) -> LanguageModel:
    """Build a model whose trained weights will be loaded; nanoGPT's arguments do not name a family.

    Raises:
        UserError: If no family has that name.
        TypeError: If an argument is missing or unknown.
    """
    return _family(args).restore(args)


def _family(args: ModelArgs) -> ModelFamily:
    return families.get(str(args.get("family", DEFAULT_FAMILY)))
