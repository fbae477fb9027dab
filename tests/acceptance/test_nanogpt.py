"""Against nanoGPT itself, where a checkout of it is at hand."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Protocol, cast

import pytest
import torch

from ml_playground.training.loading import load_trained

ARGS = {"n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 24, "bias": True, "vocab_size": 61, "dropout": 0.0}


class NanoGPT(Protocol):
    """The module ``model.py``."""

    def GPTConfig(self, **arguments: object) -> object: ...  # noqa: N802  # its name

    def GPT(self, config: object) -> torch.nn.Module: ...  # noqa: N802  # its name


@pytest.fixture
def nanogpt() -> NanoGPT:
    checkout = os.environ.get("NANOGPT")
    if not checkout:
        pytest.skip("needs NANOGPT=path of a checkout of karpathy/nanoGPT")
    spec = importlib.util.spec_from_file_location("nanogpt_model", Path(checkout) / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["nanogpt_model"] = module
    spec.loader.exec_module(module)
    return cast("NanoGPT", module)


@pytest.mark.parametrize("bias", [True, False])
def test_its_checkpoint_loads_here_with_equal_logits(nanogpt: NanoGPT, tmp_path: Path, bias: bool) -> None:
    torch.manual_seed(1)
    args = {**ARGS, "bias": bias}
    theirs = nanogpt.GPT(nanogpt.GPTConfig(**args))
    theirs.eval()
    torch.save({"model": theirs.state_dict(), "model_args": args, "iter_num": 7}, tmp_path / "ckpt.pt")
    trained = load_trained(tmp_path)
    ids = torch.randint(61, (4, 24))
    with torch.no_grad():
        expected, _ = theirs(ids, ids)
        assert torch.allclose(trained.model.eval()(ids), expected, atol=1e-5, rtol=0)
