"""Benchmarks against nanoGPT and other projects; run them with ``make bench``."""
