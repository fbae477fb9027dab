"""Who starts the workers of a sweep. A new engine is a file here and a line in the table."""

from __future__ import annotations

from ml_playground.sweeping.engines.base import Engine
from ml_playground.sweeping.engines.local import LocalEngine
from ml_playground.sweeping.sweep import Sweep

ENGINES: dict[str, type[Engine]] = {"local": LocalEngine}
"""By the names that a sweep file gives them."""


def build_engine(sweep: Sweep) -> Engine:
    """The engine that the sweep file names.

    Raises:
        ConfigError: there is none of that name, or it cannot start the workers asked for.
    """
    name = sweep.config.engine
    if name not in ENGINES:
        raise sweep.document.error("engine", f"there is no engine '{name}'; one of {', '.join(ENGINES)}")
    return ENGINES[name](sweep)
