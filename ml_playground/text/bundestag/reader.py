"""Deprecated: use :mod:`ml_playground.experiments.bundestag.reader`."""

from __future__ import annotations

from ml_playground.experiments.bundestag.reader import read_session

__all__ = ["read_session"]
