from __future__ import annotations

import pytest
import torch

from ml_playground.models.base import LanguageModel
from ml_playground.models.build import create_model
from ml_playground.models.config import GPTConfig

CONFIG = GPTConfig(n_layer=1, n_head=1, n_embd=4, block_size=4)


@pytest.fixture
def model() -> LanguageModel:
    torch.manual_seed(1)
    return create_model(CONFIG.args(5))


def freeze(model: LanguageModel) -> LanguageModel:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("wte" not in name)
    return model


def test_frozen_weights_are_not_in_the_state_under_any_of_their_names(model: LanguageModel) -> None:
    whole = set(model.trainable_state())
    assert whole == set(model.state_dict())
    assert whole - set(freeze(model).trainable_state()) == {"transformer.wte.weight", "lm_head.weight"}


def test_a_state_loads_into_a_model_with_the_same_frozen_weights(model: LanguageModel) -> None:
    other = freeze(create_model(CONFIG.args(5)))
    frozen = other.head_weight.clone()
    other.load_trainable_state(freeze(model).trainable_state())
    assert torch.equal(other.head_weight, frozen)
    for name, tensor in model.trainable_state().items():
        assert torch.equal(other.state_dict()[name], tensor)


def test_a_state_that_lacks_a_trained_weight_is_refused(model: LanguageModel) -> None:
    state = model.trainable_state()
    tensor = state.pop("transformer.ln_f.weight")
    with pytest.raises(RuntimeError, match=r"transformer\.ln_f\.weight is missing or unknown"):
        model.load_trainable_state(state)
    with pytest.raises(RuntimeError, match="another is missing or unknown"):
        model.load_trainable_state({**state, "transformer.ln_f.weight": tensor, "another": tensor})
