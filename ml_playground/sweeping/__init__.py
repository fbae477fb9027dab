"""Sweeps: N identical workers on one Optuna study, with a regular run folder per trial."""
