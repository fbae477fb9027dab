"""A model that is built in milliseconds."""

from __future__ import annotations

from ml_playground.models.config import ModelArgs

SMALL: ModelArgs = {
    "family": "gpt",
    "block_size": 8,
    "n_layer": 1,
    "n_head": 2,
    "n_embd": 16,
    "vocab_size": 50,
    "bias": False,
}
