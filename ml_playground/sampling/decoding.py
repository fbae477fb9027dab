"""Preparation of a model for decoding."""

from __future__ import annotations

import torch
from torch import nn

from ml_playground.models.base import LanguageModel
from ml_playground.training.device import Hardware


@torch.no_grad()
def for_decoding(model: LanguageModel, hardware: Hardware) -> LanguageModel:
    """Move a model to a device in eval mode and cast its linear layers to the compute dtype, in place.

    Otherwise autocast would cast all weights for every token, which takes longer than the rest of the step. Other
    parameters are unchanged: a token embedding tied to the head keeps the uncast matrix.

    On CPUs, weight matrices are stored transposed. Otherwise the BLAS library would reorder a float32 matrix for every
    product with 4 or more rows, that is for every token, which takes as long as the product itself.
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
