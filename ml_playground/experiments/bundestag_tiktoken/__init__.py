"""German plenary debates as GPT-2 tokens: the same text as in ``bundestag_char``."""

from __future__ import annotations

from ml_playground.experiments.bundestag.source import bundestag
from ml_playground.experiments.registry import preparer

preparer("bundestag_tiktoken")(bundestag)
