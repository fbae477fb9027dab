"""One small module per dataset preparer; each registers itself, see :mod:`ml_playground.experiments.registry`."""
