"""Token files: how they are made, and the batches drawn from them."""
