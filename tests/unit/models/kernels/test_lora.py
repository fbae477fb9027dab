"""Fused layers with LoRA, against PEFT's own."""

from __future__ import annotations

import copy

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from ml_playground.models.kernels.lora import FusedLoraLinear, fuse_lora


def pair(*, bias: bool = False, dropout: float = 0.0) -> tuple[nn.Module, nn.Module]:
    """The same layer by PEFT and fused, with an adapter that changes something."""
    torch.manual_seed(0)
    theirs = nn.Sequential(nn.Linear(12, 20, bias=bias))
    config = LoraConfig(r=3, lora_alpha=5, lora_dropout=dropout, target_modules=["0"], init_lora_weights=False)
    inject_adapter_in_model(config, theirs)
    ours = copy.deepcopy(theirs)
    fuse_lora(ours)
    assert isinstance(ours.get_submodule("0"), FusedLoraLinear)
    return theirs, ours


def outputs_and_gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    model.zero_grad()
    torch.manual_seed(1)  # of the dropout
    out = model(x)
    (out.float() ** 2).sum().backward()
    assert x.grad is not None
    return [out, x.grad, *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_outputs_and_gradients_are_those_of_peft(bias: bool, dropout: float) -> None:
    x = torch.randn(2, 7, 12)
    theirs, ours = (outputs_and_gradients(model, x) for model in pair(bias=bias, dropout=dropout))
    assert len(theirs) == len(ours) == 4  # output, input, A and B: frozen weights have no gradients
    for ours_one, theirs_one in zip(ours, theirs, strict=True):
        assert torch.allclose(ours_one, theirs_one, rtol=1e-5, atol=1e-4)


def test_products_are_in_the_dtype_of_autocast() -> None:
    theirs, ours = pair(bias=True)
    x = torch.randn(2, 7, 12)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = outputs_and_gradients(theirs, x), outputs_and_gradients(ours, x)
    assert found[0].dtype == torch.bfloat16
    for ours_one, theirs_one in zip(found, expected, strict=True):
        assert torch.allclose(
            ours_one.float(), theirs_one.float(), rtol=0.05, atol=0.05 * theirs_one.abs().max().item()
        )


def test_without_its_adapter_a_layer_is_that_of_the_pretrained_model() -> None:
    _, ours = pair(bias=True)
    layer, x = ours.get_submodule("0"), torch.randn(7, 12)
    assert isinstance(layer, FusedLoraLinear)
    assert not torch.equal(layer(x), layer.base_layer(x))
    layer.enable_adapters(enabled=False)
    assert torch.equal(layer(x), layer.base_layer(x))
