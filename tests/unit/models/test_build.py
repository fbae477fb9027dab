from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ml_playground.models.build import build_model, model_args, parameter_count, with_args
from ml_playground.models.config import Family, ModelConfig

SMALL = st.integers(1, 3)


@given(
    family=st.sampled_from(Family), layers=SMALL, heads=SMALL, width=SMALL, block_size=SMALL, vocab_size=SMALL,
    bias=st.booleans(), kv_heads=st.sampled_from([None, 1]), inner=st.sampled_from([None, 5]),
)  # fmt: skip
def test_parameters_are_counted_without_building_the_model(
    family: Family, layers: int, heads: int, width: int, block_size: int, vocab_size: int, bias: bool,
    kv_heads: int | None, inner: int | None,
) -> None:  # fmt: skip
    gpt = family is Family.gpt
    config = ModelConfig(
        family, layers, heads, None if gpt else kv_heads, 2 * heads * width, None if gpt else inner, block_size,
        bias=gpt and bias,
    )  # fmt: skip
    args = model_args(config, vocab_size)
    model = build_model(args)
    assert parameter_count(args) == sum(parameter.numel() for parameter in model.parameters())
    assert model_args(with_args(ModelConfig(), args), vocab_size) == args


def test_a_shape_that_no_machine_can_hold_is_counted_at_once() -> None:
    assert parameter_count(model_args(ModelConfig(Family.gpt, 10**12, 1, None, 10**9, None, 1), 1)) > 10**30
