"""Sweeps: N identical workers over one Optuna study, each trial an ordinary run folder."""
