from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.errors import UserError
from ml_playground.models.build import build_model, create_model, parameter_counts
from ml_playground.models.config import GPTConfig, ModelConfig, Qwen3Config, config_from

SMALL = st.integers(1, 3)


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    layers, heads, width, block = (draw(SMALL) for _ in range(4))
    if draw(st.booleans()):
        return GPTConfig("gpt", block, layers, heads, heads * width, bias=draw(st.booleans()))
    kv_heads, inner = draw(st.sampled_from([None, 1])), draw(st.sampled_from([None, 5]))
    return Qwen3Config("qwen3", block, layers, heads, 2 * heads * width, n_kv_head=kv_heads, n_inner=inner)


CONFIGS = configs()


@given(CONFIGS, SMALL)
def test_parameters_are_counted_without_building_the_model(config: ModelConfig, vocab_size: int) -> None:
    args = config.args(vocab_size)
    count = sum(parameter.numel() for parameter in create_model(args).parameters())
    assert parameter_counts(args) == (count, count)


@given(CONFIGS, SMALL)
def test_arguments_tell_the_settings(config: ModelConfig, vocab_size: int) -> None:
    args = config.args(vocab_size)
    assert config_from(args).args(vocab_size) == args


def test_a_shape_that_no_machine_can_hold_is_counted_at_once() -> None:
    assert parameter_counts(GPTConfig(n_layer=10**12, n_head=1, n_embd=10**9, block_size=1).args(1))[0] > 10**30


def test_checkpoints_of_nanogpt_name_no_family() -> None:
    args = GPTConfig(n_layer=1, n_head=1, n_embd=2, block_size=2).args(3)
    theirs = {name: value for name, value in args.items() if name not in ("family", "norm_eps")}
    assert build_model(theirs).args == args
    assert config_from(theirs).args(3) == args


def test_an_unknown_family_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"^no model family is named 'qwen'; did you mean 'qwen3'\?$"):
        build_model({"family": "qwen"})
    with pytest.raises(TypeError, match="n_layer is missing"):
        config_from({"family": "gpt"})
