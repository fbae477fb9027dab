"""One small module per dataset preparer; each registers itself in :mod:`ml_playground.experiments.registry`."""
