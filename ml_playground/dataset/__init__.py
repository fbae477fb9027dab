"""Token files: how they are created, and the batches drawn from them."""
