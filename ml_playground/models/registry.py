"""Registry of model families.

A family is a module of ``ml_playground.models``, or a module that another package declares in the entry point group
``ml_playground.models``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_playground.registry import Registry

if TYPE_CHECKING:
    from ml_playground.models.base import ModelFamily

families: Registry[ModelFamily] = Registry("model family", "ml_playground.models", "ml_playground.models")
register_model_family = families.register
