"""Our models in transformers and back, by the adapters of their families."""

from __future__ import annotations

import pytest
import torch

from ml_playground.models.build import create_model
from ml_playground.models.config import Activation, GPTConfig, ModelConfig, Qwen3Config
from ml_playground.models.hugging_face import HuggingFaceModel
from ml_playground.models.registry import families

CONFIGS: dict[str, ModelConfig] = {
    "gpt": GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=12, norm_eps=1e-3),
    "nanogpt": GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=12, activation=Activation.gelu),
    "gpt with biases": GPTConfig(n_layer=2, n_head=2, n_embd=16, block_size=12, bias=True),
    "qwen3": Qwen3Config(n_layer=2, n_head=2, n_embd=16, block_size=12, n_kv_head=1, rope_theta=500.0, norm_eps=1e-3),
}
IDS = torch.randint(11, (3, 12), generator=torch.Generator().manual_seed(1))


def logits_of_transformers(theirs: HuggingFaceModel) -> torch.Tensor:
    from transformers import GPT2Config, GPT2LMHeadModel, Qwen3ForCausalLM  # takes seconds
    from transformers import Qwen3Config as TheirQwen3Config

    gpt = theirs.config["model_type"] == "gpt2"
    model = GPT2LMHeadModel(GPT2Config(**theirs.config)) if gpt else Qwen3ForCausalLM(TheirQwen3Config(**theirs.config))
    assert type(model).__name__ == theirs.config["architectures"][0]
    assert set(model.state_dict()) - set(theirs.weights) == {"lm_head.weight"}  # tied
    model.load_state_dict(theirs.weights, strict=False)
    model.train(False)
    logits = model(IDS).logits
    assert isinstance(logits, torch.Tensor)
    return logits


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_transformers_computes_the_same_and_the_way_back_too(config: ModelConfig) -> None:
    torch.manual_seed(1)
    model, family = create_model(config.args(11)).eval(), families.get(config.family)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    theirs = family.to_hugging_face(model)
    again = family.from_hugging_face(theirs).eval()
    with torch.no_grad():
        logits = model(IDS)
        assert torch.allclose(logits_of_transformers(theirs), logits, atol=1e-5)
        assert torch.allclose(again(IDS), logits, atol=1e-6)
    assert {**again.args, "bias": False} == {**model.args, "bias": False}


@pytest.mark.parametrize(
    ("config", "change", "problem"),
    [
        (CONFIGS["gpt"], {"activation_function": "relu"}, r"activation_function = 'relu': only 'gelu'"),
        (CONFIGS["qwen3"], {"head_dim": 128}, "head_dim = 128: only 8 can be read"),
        (CONFIGS["qwen3"], {"tie_word_embeddings": False}, "tie_word_embeddings = False"),
        (CONFIGS["qwen3"], {"rope_parameters": {"rope_type": "yarn"}}, "rope_type = 'yarn'"),
    ],
)
def test_what_ours_cannot_compute_is_refused(config: ModelConfig, change: dict[str, object], problem: str) -> None:
    family = families.get(config.family)
    theirs = family.to_hugging_face(create_model(config.args(11)))
    with pytest.raises(ValueError, match=problem):
        family.from_hugging_face(HuggingFaceModel({**theirs.config, **change}, theirs.weights))
