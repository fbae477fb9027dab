"""Training with several seeds, ``[train.runtime] seeds``: one run each, by worker processes."""
