"""The former place of :mod:`ml_playground.training.loading`."""

from __future__ import annotations

from ml_playground.training.loading import Trained, load_trained

__all__ = ["Trained", "load_trained"]
