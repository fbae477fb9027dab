"""Deprecated: the formats of plenary protocols are in :mod:`ml_playground.experiments.bundestag`.

Scripts that were written for version 0.1 import from here; the next version will not have it.
"""
