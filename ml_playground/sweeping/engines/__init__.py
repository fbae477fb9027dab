"""Engines that start the workers of a sweep, one module each."""
