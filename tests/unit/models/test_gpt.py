from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from ml_playground.models.build import build_model
from ml_playground.models.gpt import GPT, GPTArgs

ARGS = GPTArgs(n_layer=2, n_head=2, n_embd=16, block_size=12, bias=True, vocab_size=11, dropout=0.0)


@pytest.fixture
def model() -> GPT:
    torch.manual_seed(1)
    return GPT(ARGS).eval()


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(11, (3, 12), generator=torch.Generator().manual_seed(1))


def test_logits_equal_those_of_transformers_gpt2(model: GPT, ids: torch.Tensor) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel  # takes seconds

    config = GPT2Config(vocab_size=11, n_positions=12, n_embd=16, n_layer=2, n_head=2, activation_function="gelu")
    reference = GPT2LMHeadModel(config)
    reference.train(False)
    # transformers keeps linear layers as Conv1D, that is transposed.
    conv = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    weights = {name: w.T if name.endswith(conv) else w for name, w in model.state_dict().items()}
    reference.load_state_dict(weights)
    with torch.no_grad():
        assert torch.allclose(model(ids), reference(ids).logits, atol=1e-5)


def test_parameter_names_are_nanogpts() -> None:
    names = set(GPT(replace(ARGS, n_layer=1, bias=False)).state_dict())
    assert names == {
        "transformer.wte.weight",
        "transformer.wpe.weight",
        "transformer.h.0.ln_1.weight",
        "transformer.h.0.attn.c_attn.weight",
        "transformer.h.0.attn.c_proj.weight",
        "transformer.h.0.ln_2.weight",
        "transformer.h.0.mlp.c_fc.weight",
        "transformer.h.0.mlp.c_proj.weight",
        "transformer.ln_f.weight",
        "lm_head.weight",
    }


def test_the_head_is_the_token_embedding(model: GPT) -> None:
    assert model.lm_head.weight is model.transformer.wte.weight


def test_a_token_sees_only_the_past(model: GPT, ids: torch.Tensor) -> None:
    changed = ids.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 11
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("pieces", [[12], [1] * 12, [5, 1, 1, 5], [4, 8]])
def test_with_a_cache_any_pieces_give_the_same_logits(model: GPT, ids: torch.Tensor, pieces: list[int]) -> None:
    cache = model.new_cache(3, 12)
    with torch.no_grad():
        parts = [model(piece, cache) for piece in torch.split(ids, pieces, dim=1)]
        assert torch.allclose(torch.cat(parts, dim=1), model(ids), atol=1e-5)
    assert cache.length == 12


def test_the_loss_is_the_mean_over_targets_that_count(model: GPT, ids: torch.Tensor) -> None:
    targets = ids.roll(-1, dims=1)
    targets[1:] = -1
    with torch.no_grad():
        expected = F.cross_entropy(model(ids)[0], targets[0])
        assert torch.allclose(model.loss(ids, targets), expected)


def test_a_fresh_model_knows_nothing(model: GPT, ids: torch.Tensor) -> None:
    with torch.no_grad():
        assert model.loss(ids, ids.roll(-1, dims=1)).item() == pytest.approx(torch.tensor(11.0).log().item(), abs=0.1)


def test_projections_into_the_residual_stream_start_smaller() -> None:
    torch.manual_seed(1)
    wide = GPT(replace(ARGS, n_embd=128, n_layer=8))
    block = wide.transformer.h[0]
    assert block.get_parameter("mlp.c_fc.weight").std().item() == pytest.approx(0.02, rel=0.05)
    assert block.get_parameter("mlp.c_proj.weight").std().item() == pytest.approx(0.02 / 4, rel=0.05)


def test_bfloat16_is_close_and_trains(model: GPT, ids: torch.Tensor) -> None:
    targets = ids.roll(-1, dims=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss(ids, targets)
    loss.backward()
    assert loss.item() == pytest.approx(model.loss(ids, targets).item(), abs=0.02)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_dropout_works_in_training_only(ids: torch.Tensor) -> None:
    model = GPT(replace(ARGS, dropout=0.5))
    with torch.no_grad():
        assert not torch.equal(model(ids), model(ids))
        model.eval()
        assert torch.equal(model(ids), model(ids))


def test_arguments_build_the_same_model(model: GPT) -> None:
    assert build_model(model.args).args == model.args
