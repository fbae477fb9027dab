"""A model made ready to write."""

from __future__ import annotations

import torch
from torch import nn

from ml_playground.models.base import LanguageModel
from ml_playground.training.device import Hardware


@torch.no_grad()
def for_decoding(model: LanguageModel, hardware: Hardware) -> LanguageModel:
    """The same model on a device, without dropout, its linear layers in the format that they are multiplied in.

    Autocast would else convert all weights for every token, which takes longer than the rest of it. What is not
    multiplied stays as it is: a token embedding that shares its matrix with the head keeps the exact one.

    On CPUs matrices are laid out transposed. The library behind a product of 4 or more rows with a float32 matrix would
    else bring it into that order for every token, which takes as long as the product itself.
    """
    model.to(hardware.device).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            for name, parameter in [*layer.named_parameters()]:
                tensor = parameter.to(hardware.dtype)
                if hardware.device.type == "cpu":
                    tensor = tensor.t().contiguous().t()
                setattr(layer, name, nn.Parameter(tensor, requires_grad=False))
    return model
