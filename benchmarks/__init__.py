"""Benchmarks against nanoGPT and other projects; run them with ``make bench``."""

import importlib

importlib.import_module("ml_playground")  # before torch: it tells OpenMP how threads wait
