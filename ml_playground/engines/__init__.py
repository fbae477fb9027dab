"""Engines that start worker processes for sweeps and for runs with several seeds, one module each."""
