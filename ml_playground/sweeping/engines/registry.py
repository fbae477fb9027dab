"""Registry of engines.

An engine is a module of ``ml_playground.sweeping.engines``, or a module that another package declares in the entry
point group ``ml_playground.engines``.
"""

from __future__ import annotations

from ml_playground.errors import UserError
from ml_playground.registry import Registry
from ml_playground.sweeping.engines.base import Engine
from ml_playground.sweeping.sweep import Sweep

engines: Registry[type[Engine]] = Registry("engine", "ml_playground.sweeping.engines", "ml_playground.engines")
register_engine = engines.register


def build_engine(sweep: Sweep) -> Engine:
    """Build the engine configured in the sweep file.

    Raises:
        ConfigError: If no engine has that name, or it cannot start the requested workers.
    """
    try:
        engine = engines.get(sweep.config.engine)
    except UserError as error:
        raise sweep.document.error("engine", str(error)) from None
    return engine(sweep)
