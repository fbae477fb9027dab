"""Deprecated: use :mod:`ml_playground.experiments.bundestag.session`."""

from __future__ import annotations

from ml_playground.experiments.bundestag.session import render

__all__ = ["render"]
