"""From TOML files to a typed :class:`~ml_playground.config.ExperimentConfig`.

Functions that need Hydra are in :mod:`ml_playground.composition.load`; importing this package is cheap.
"""
