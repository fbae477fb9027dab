"""Floating point operations of training."""

from __future__ import annotations

from torch import nn

from ml_playground.models.base import LanguageModel


def flops_per_token(model: LanguageModel) -> float:
    """Return the floating point operations of training on one token, by the count of Kaplan et al. (2020).

    The forward pass multiplies and adds once per weight of a matrix, tables of embeddings excepted. The backward pass
    computes as much for the gradients of the activations and, for the weights that are trained, as much again.
    Attention is left out: in small models with short contexts it adds a few percent.
    """
    tables = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Embedding)}
    head = model.head_weight
    layers = (weight for weight in model.parameters() if weight.ndim == 2 and id(weight) not in tables)
    matrices = [head, *(weight for weight in layers if weight is not head)]
    used = sum(weight.numel() for weight in matrices)
    trained = sum(weight.numel() for weight in matrices if weight.requires_grad)
    return 2.0 * (2 * used + trained)
