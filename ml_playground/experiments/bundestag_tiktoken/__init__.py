"""German plenary debates as tokens of GPT-2: the same text as that of ``bundestag_char``."""

from __future__ import annotations

from ml_playground.experiments.bundestag.source import bundestag
from ml_playground.experiments.registry import preparer

preparer("bundestag_tiktoken")(bundestag)
