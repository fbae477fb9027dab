"""Registry of engines.

An engine is a module of ``ml_playground.engines``, or a module that another package declares in the entry point group
of the same name.
"""

from __future__ import annotations

from ml_playground.engines.base import Engine
from ml_playground.registry import Registry

engines: Registry[type[Engine]] = Registry("engine", "ml_playground.engines", "ml_playground.engines")
register_engine = engines.register
