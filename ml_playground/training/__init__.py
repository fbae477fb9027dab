"""Training loop, optimizers, checkpoints and tracking."""
