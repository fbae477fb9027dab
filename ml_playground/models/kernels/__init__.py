"""Optimized implementations of attention and cross entropy."""
