"""A model made ready to write."""

from __future__ import annotations

import torch
from torch import nn

from ml_playground.models.language_model import LanguageModel


@torch.no_grad()
def for_decoding(model: LanguageModel, device: torch.device) -> LanguageModel:
    """The same model on a device, without dropout, and on CPUs with its matrices laid out for few rows at a time.

    The library behind a product of 4 or more rows with a matrix would else bring it into that order for every token,
    which takes as long as the product itself.
    """
    model.to(device).eval()
    if device.type == "cpu":
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.weight.data = module.weight.t().contiguous().t()
    return model
