from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ml_playground.models.base import LanguageModel
from ml_playground.models.gpt import GPT, GPTArgs
from ml_playground.models.qwen3 import Qwen3, Qwen3Args
from ml_playground.sampling.config import SamplingConfig
from ml_playground.sampling.decoding import for_decoding
from ml_playground.sampling.generation import generate
from ml_playground.training.device import Hardware
from tests.transformers_qwen3 import reference

VOCABULARY = 13
BLOCK = 8


def ready(model: LanguageModel) -> LanguageModel:
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():  # far from their start, where every token is about as likely
            parameter.normal_(mean=float(parameter.dim() == 1), std=0.5)
    return for_decoding(model, Hardware(torch.device("cpu"), torch.float32))


GPT_MODEL = ready(GPT(GPTArgs(2, 2, 16, BLOCK, bias=True, vocab_size=VOCABULARY, dropout=0.1)))
QWEN3_ARGS = Qwen3Args(2, 2, 1, 16, 32, BLOCK, vocab_size=VOCABULARY, dropout=0.1)
QWEN3_MODEL = ready(Qwen3(QWEN3_ARGS))
both = pytest.mark.parametrize("model", [GPT_MODEL, QWEN3_MODEL], ids=["gpt", "qwen3"])


def write(
    model: LanguageModel, prompt: list[int], config: SamplingConfig, seed: int = 1, samples: int = 1
) -> list[list[int]]:
    """The ids of each sample."""
    generator = torch.Generator().manual_seed(seed)
    steps = generate(model, torch.tensor(prompt), VOCABULARY, config, generator, samples)
    return [list(sample) for sample in zip(*steps, strict=True)]


def likeliest(model: LanguageModel, context: list[int]) -> int:
    """What follows, without a cache."""
    with torch.no_grad():
        return int(model(torch.tensor([context]))[0, -1].argmax())


@both
def test_in_bfloat16_weights_are_converted_once_and_nothing_else_changes(model: LanguageModel) -> None:
    hardware = Hardware(torch.device("cpu"), torch.bfloat16)
    prepared = for_decoding(copy.deepcopy(model), hardware)
    assert {layer.weight.dtype for layer in prepared.modules() if isinstance(layer, nn.Linear)} == {torch.bfloat16}
    for mine, before in zip(prepared.modules(), model.modules(), strict=True):
        if isinstance(mine, nn.Embedding) and isinstance(before, nn.Embedding):
            assert torch.equal(mine.weight, before.weight)
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    with torch.no_grad(), hardware.autocast():
        torch.testing.assert_close(prepared(ids), model(ids), rtol=1e-2, atol=2e-2)


@both
def test_within_the_context_the_cache_changes_nothing(model: LanguageModel) -> None:
    (greedy,) = write(model, [1, 2], SamplingConfig(max_new_tokens=6, temperature=0))
    ids = [1, 2]
    for _ in range(6):
        ids.append(likeliest(model, ids))
    assert greedy == ids[2:]


def test_past_the_context_learned_positions_go_on_from_the_newer_half() -> None:
    # Greedy samples of a batch are equal, so that one of them tells the contexts of all.
    for sample in write(GPT_MODEL, [1, 2], SamplingConfig(max_new_tokens=30, temperature=0), samples=2):
        ids, start = [1, 2], 0
        for _ in range(30):
            if len(ids) - start > BLOCK:
                start = len(ids) - BLOCK // 2
            ids.append(likeliest(GPT_MODEL, ids[start:]))
        assert sample == ids[2:]


def test_past_the_context_relative_positions_slide() -> None:
    (sample,) = write(QWEN3_MODEL, [1, 2], SamplingConfig(max_new_tokens=40, temperature=0))
    with torch.no_grad():
        logits = reference(QWEN3_ARGS, QWEN3_MODEL, slides=True)(torch.tensor([[1, 2, *sample]])).logits[0]
    assert sample == logits.argmax(dim=-1)[1:-1].tolist()


@both
@pytest.mark.parametrize("length", [1, 8, 9, 50])
def test_a_prompt_of_any_length_is_gone_on_from(model: LanguageModel, length: int) -> None:
    (sample,) = write(model, [3] * length, SamplingConfig(max_new_tokens=20))
    assert len(sample) == 20


@both
def test_the_seed_decides(model: LanguageModel) -> None:
    config = SamplingConfig(max_new_tokens=20, temperature=1.0)
    assert write(model, [1], config) == write(model, [1], config) != write(model, [1], config, seed=2)


@both
def test_samples_of_one_batch_differ_and_are_each_as_they_would_be_alone(model: LanguageModel) -> None:
    config = SamplingConfig(max_new_tokens=20, temperature=1.0)
    assert len({tuple(sample) for sample in write(model, [1, 2, 3], config, samples=5)}) == 5
    greedy = SamplingConfig(max_new_tokens=20, temperature=0)
    (alone,) = write(model, [1, 2, 3], greedy)
    assert write(model, [1, 2, 3], greedy, samples=3) == [alone] * 3


@both
def test_ids_past_the_tokenizers_vocabulary_are_never_chosen(model: LanguageModel) -> None:
    generator = torch.Generator().manual_seed(1)
    config = SamplingConfig(max_new_tokens=100, temperature=5.0)
    steps = generate(model, torch.tensor([0]), 4, config, generator)
    assert {token for (token,) in steps} == {0, 1, 2, 3}


@both
def test_bfloat16_writes_past_the_context_too(model: LanguageModel) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert len(write(model, [1], SamplingConfig(max_new_tokens=20), samples=2)) == 2
