"""TOML files to a typed :class:`~ml_playground.config.ExperimentConfig`.

Names that need Hydra live in :mod:`ml_playground.composition.load`; importing this package is cheap.
"""
