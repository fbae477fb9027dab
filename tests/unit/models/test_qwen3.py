from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from ml_playground.models.build import build_model, create_model
from ml_playground.models.config import Qwen3Config
from ml_playground.models.qwen3 import Qwen3, Qwen3Args
from tests.transformers_qwen3 import reference

ARGS = Qwen3Args(n_layer=2, n_head=4, n_kv_head=2, n_embd=32, n_inner=48, block_size=12, vocab_size=11, dropout=0.0)


def far_from_its_start(model: Qwen3) -> Qwen3:
    """All weights matter: none is zero, no norm is one."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(mean=float(parameter.dim() == 1), std=0.3)
    return model.eval()


@pytest.fixture
def model() -> Qwen3:
    torch.manual_seed(1)
    return far_from_its_start(Qwen3(ARGS))


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(11, (3, 12), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("n_kv_head", [4, 2, 1])
def test_its_weights_load_into_transformers_as_they_are_with_equal_logits(ids: torch.Tensor, n_kv_head: int) -> None:
    args = replace(ARGS, n_kv_head=n_kv_head)
    model = far_from_its_start(Qwen3(args))
    with torch.no_grad():
        assert torch.allclose(model(ids), reference(args, model)(ids).logits, atol=1e-5)


def test_with_a_cache_a_context_past_its_end_slides() -> None:
    model = far_from_its_start(Qwen3(ARGS))
    ids = torch.randint(11, (3, 50), generator=torch.Generator().manual_seed(1))
    cache = model.new_cache(3, ARGS.block_size)
    with torch.no_grad():
        parts = [model(piece, cache) for piece in torch.split(ids, [5, *[1] * 45], dim=1)]
        expected = reference(ARGS, model, slides=True)(ids).logits
    assert torch.allclose(torch.cat(parts, dim=1), expected, atol=1e-4)
    assert not torch.allclose(expected, reference(ARGS, model)(ids).logits, atol=1e-2)


def test_the_head_is_the_token_embedding(model: Qwen3) -> None:
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_a_token_sees_only_the_past(model: Qwen3, ids: torch.Tensor) -> None:
    changed = ids.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 11
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.allclose(before[:, 7:], after[:, 7:])


@pytest.mark.parametrize("pieces", [[12], [1] * 12, [5, 1, 1, 5], [4, 8]])
def test_with_a_cache_any_pieces_give_the_same_logits(model: Qwen3, ids: torch.Tensor, pieces: list[int]) -> None:
    cache = model.new_cache(3, 12)
    with torch.no_grad():
        parts = [model(piece, cache) for piece in torch.split(ids, pieces, dim=1)]
        assert torch.allclose(torch.cat(parts, dim=1), model(ids), atol=1e-5)


def test_a_fresh_model_knows_nothing_and_learns_in_all_its_parts(ids: torch.Tensor) -> None:
    torch.manual_seed(1)
    model = Qwen3(ARGS)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = model.loss(ids, ids.roll(-1, dims=1))
    assert loss.item() == pytest.approx(torch.tensor(11.0).log().item(), abs=0.1)
    for _ in range(2):  # what lies before a projection of zeros has a gradient from the second step on
        optimizer.zero_grad()
        model.loss(ids, ids.roll(-1, dims=1)).backward()
        optimizer.step()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    assert model.loss(ids, ids.roll(-1, dims=1)).item() < loss.item()


def test_bfloat16_is_close_and_trains(model: Qwen3, ids: torch.Tensor) -> None:
    targets = ids.roll(-1, dims=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.loss(ids, targets)
    loss.backward()
    assert loss.item() == pytest.approx(model.loss(ids, targets).item(), rel=0.02)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_dropout_works_in_training_only(ids: torch.Tensor) -> None:
    model = far_from_its_start(Qwen3(replace(ARGS, dropout=0.5))).train()
    with torch.no_grad():
        assert not torch.equal(model(ids), model(ids))
        model.eval()
        assert torch.equal(model(ids), model(ids))


def test_arguments_build_the_same_model(model: Qwen3) -> None:
    again = build_model(model.args)
    assert isinstance(again, Qwen3)
    assert again.args == model.args


def test_what_settings_leave_open_follows_from_the_width() -> None:
    config = Qwen3Config(n_layer=4, n_head=4, n_embd=128, block_size=64)
    model = create_model(config.args(vocab_size=65))
    assert (model.args["n_kv_head"], model.args["n_inner"]) == (4, 352)
    assert sum(parameter.numel() for parameter in model.parameters()) == 812_544
