"""Deprecated: the protocol formats are in :mod:`ml_playground.experiments.bundestag`.

Kept for scripts written for version 0.1, which import from here; it will be removed in the next version.
"""
