"""German plenary debates as characters: the user's own text, or the built-in sample."""

from __future__ import annotations

from ml_playground.experiments.bundestag.source import bundestag
from ml_playground.experiments.registry import preparer

preparer("bundestag_char")(bundestag)
