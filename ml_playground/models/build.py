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
    return family_of(args).parameter_counts(args)


def create_model(args: ModelArgs) -> LanguageModel:
    """Build a model to train, newly initialized or, depending on the family, pretrained.

    Raises:
        UserError: If no family has that name.
        TypeError: If an argument is missing or unknown.
    """
    return family_of(args).create(args)


def build_model(args: ModelArgs) -> LanguageModel:
    """Build a model whose trained weights will be loaded; nanoGPT's arguments do not name a family.

    Raises:
        UserError: If no family has that name.
        TypeError: If an argument is missing or unknown.
    """
    return family_of(args).restore(args)


def family_of(args: ModelArgs) -> ModelFamily:
    """Return the family that arguments name; nanoGPT's name none.

    Raises:
        UserError: If no family has that name.
    """
    return families.get(str(args.get("family", DEFAULT_FAMILY)))
