"""ml-playground: a config-driven experiment manager, with sweeps, for small language models."""

from importlib.metadata import version

__version__ = version("ml-playground")
