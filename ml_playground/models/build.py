"""Build models from the arguments saved in checkpoints."""

from __future__ import annotations

from ml_playground.models.base import LanguageModel, ModelFamily
from ml_playground.models.config import DEFAULT_FAMILY, ModelArgs
from ml_playground.models.registry import families


def parameter_counts(args: ModelArgs) -> tuple[int, int]:
    """Return the number of parameters of a model, and how many of them are trained, without building it.

    Raises:
        UserError, TypeError: As for :func:`create_model`.
    """
    return _family(args).parameter_counts(args)


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
