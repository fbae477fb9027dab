"""Measurements side by side with nanoGPT; run them with ``make bench``."""
