"""From a checkpoint's arguments to a model."""

from __future__ import annotations

from ml_playground.models.base import LanguageModel, ModelFamily
from ml_playground.models.config import DEFAULT_FAMILY, ModelArgs
from ml_playground.models.registry import families


def parameter_count(args: ModelArgs) -> int:
    """How many numbers a model of these arguments learns, without building it.

    Raises:
        UserError, TypeError: as :func:`create_model` does.
    """
    return _family(args).parameter_count(args)


def create_model(args: ModelArgs) -> LanguageModel:
    """A model of these arguments to train: freshly initialised, or pretrained where its family says so.

    Raises:
        UserError: no family has that name.
        TypeError: an argument is missing, or unknown.
    """
    return _family(args).create(args)


def build_model(args: ModelArgs) -> LanguageModel:
    """A model of these arguments whose trained weights are to be loaded; nanoGPT's arguments name no family.

    Raises:
        UserError: no family has that name.
        TypeError: an argument is missing, or unknown.
    """
    return _family(args).restore(args)


def _family(args: ModelArgs) -> ModelFamily:
    return families.get(str(args.get("family", DEFAULT_FAMILY)))
