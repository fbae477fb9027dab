"""GGUF files in a real llama.cpp: vocabularies, families and types."""

from __future__ import annotations

import dataclasses
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader

from ml_playground.errors import RunError, UserError
from ml_playground.experiments.bundestag.sample import sample_text
from ml_playground.exporting.gguf import write_gguf
from ml_playground.exporting.llama_cpp import llama_cpp, verify_gguf
from ml_playground.models.build import create_model
from ml_playground.text.bpe import BpeTokenizer
from ml_playground.text.char import CharTokenizer
from ml_playground.text.char_ngram import CharNgramTokenizer
from ml_playground.text.tokenizer import Tokenizer
from ml_playground.training.loading import Trained

TEXT = sample_text()[:20_000]
ASCII = "Ja, aber nicht, wenn alle schlafen!\n" * 20
DOCUMENTS = [[TEXT.encode()]]
SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 48, "dropout": 0.0}
QWEN3 = {**SHAPE, "family": "qwen3", "n_kv_head": 2, "n_inner": 64, "rope_theta": 500.0}
GPT = {**SHAPE, "family": "gpt", "bias": False}
TOKENIZERS: dict[str, Tokenizer] = {
    "char": CharTokenizer.train(DOCUMENTS),
    "char in ASCII": CharTokenizer("\n !,.?AJabcdefghijklmnopqrstuvwxyz"),
    "char without end of text": CharTokenizer("".join(sorted(set(TEXT))), end_of_text=False),
    "char_ngram": CharNgramTokenizer.train(2, DOCUMENTS),
    "bpe": BpeTokenizer.train(400, DOCUMENTS),
}
needs_llama_cpp = pytest.mark.skipif(llama_cpp() is None, reason="needs llama.cpp: the extra verify")


def model_of(args: dict[str, Any], tokenizer: Tokenizer, *, unused: int = 0) -> Trained:
    """Random weights, large enough that each matters."""
    torch.manual_seed(1)
    model = create_model({**args, "vocab_size": tokenizer.vocab_size + unused})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1.0 if parameter.dim() == 1 else 0.0, 0.2)
    return Trained(Path("ckpt_last.pt"), 1, model, tokenizer, [])


def windows(tokenizer: Tokenizer, text: str = TEXT) -> torch.Tensor:
    return torch.from_numpy(tokenizer.encode(text).astype(np.int64))[: 48 * 10].view(10, 48)


@needs_llama_cpp
@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_vocabulary_is_the_same_in_llama_cpp(name: str, tmp_path: Path) -> None:
    tokenizer = TOKENIZERS[name]
    trained = model_of(QWEN3, tokenizer)
    write_gguf(trained, tmp_path / "model.gguf", "f32")
    found = verify_gguf(trained, tmp_path / "model.gguf", "f32", windows(tokenizer, ASCII if "ASCII" in name else TEXT))
    assert (found.equal_tokens, found.agreeing_tokens, found.largest_tie) == (1, 1, 0)
    assert found.texts >= tokenizer.vocab_size
    assert found.their_perplexity == pytest.approx(found.perplexity, rel=1e-5)


@needs_llama_cpp
@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0"])
@pytest.mark.parametrize(
    "args",
    [
        QWEN3,
        {**GPT, "activation": "gelu_tanh"},
        {**GPT, "bias": True, "norm_eps": 1e-3, "activation": "gelu", "n_embd": 40},  # not a multiple of 32
    ],
    ids=["qwen3", "gpt", "gpt with biases"],
)
def test_every_type_of_every_family_computes_the_same_in_llama_cpp(
    args: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    trained = model_of(args, TOKENIZERS["char"])
    write_gguf(trained, tmp_path / "model.gguf", kind)
    found = verify_gguf(trained, tmp_path / "model.gguf", kind, windows(TOKENIZERS["char"]))
    assert found.greedy_tokens > 0
    assert f"{found.agreeing_tokens:.2%} of {found.greedy_tokens:,} greedy tokens" in found.summary()
    assert found.program in found.lines()[0]


@needs_llama_cpp
def test_rows_that_nanogpt_adds_to_the_vocabulary_are_unused_tokens(tmp_path: Path) -> None:
    trained = model_of(GPT, TOKENIZERS["bpe"], unused=11)
    write_gguf(trained, tmp_path / "model.gguf", "f32")
    verify_gguf(trained, tmp_path / "model.gguf", "f32", windows(TOKENIZERS["bpe"]))
    tokens = GGUFReader(tmp_path / "model.gguf").fields["tokenizer.ggml.tokens"].contents()
    assert tokens[-12:] == ["<|endoftext|>", *(f"[PAD{place}]" for place in range(400, 411))]


def test_a_file_names_the_model_and_which_gelu_it_was_trained_with(tmp_path: Path) -> None:
    trained = model_of({**GPT, "activation": "gelu_tanh"}, TOKENIZERS["char"])
    write_gguf(trained, tmp_path / "model.gguf", "f16", name="Bundestag")
    fields = GGUFReader(tmp_path / "model.gguf").fields
    assert fields["general.name"].contents() == "Bundestag"
    assert fields["ml_playground.activation"].contents() == "gelu_tanh"
    assert not list(tmp_path.glob(".*"))


def changed(old: str, new: str) -> BpeTokenizer:
    return BpeTokenizer(TOKENIZERS["bpe"].state["definition"].replace(old, new))


REFUSED = {
    "type": ("q9_9", TOKENIZERS["char"], "'q9_9' is not a type that can be written; there are f32, f16"),
    "no end of text": ("f32", changed("<|endoftext|>", "<end>"), "a vocabulary without an end-of-text token"),
    "words": ("f32", changed('"use_regex":true', '"use_regex":false'), "only a byte-level BPE that splits words"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_gguf_cannot_have_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    kind, tokenizer, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        write_gguf(model_of(GPT, tokenizer), tmp_path / "model.gguf", kind)
    assert not list(tmp_path.iterdir())


def test_a_model_without_tokenizer_is_refused(tmp_path: Path) -> None:
    trained = dataclasses.replace(model_of(GPT, TOKENIZERS["char"]), tokenizer=None)
    with pytest.raises(UserError, match="has no tokenizer; export it with an experiment on its data"):
        write_gguf(trained, tmp_path / "model.gguf", "f32")


def test_a_file_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"model\.gguf: cannot be written: No such file or directory"):
        write_gguf(model_of(GPT, TOKENIZERS["char"]), tmp_path / "missing" / "model.gguf", "f32")


def test_without_llama_cpp_verification_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = model_of(GPT, TOKENIZERS["char"])
    monkeypatch.setattr(sys, "path", [])
    assert llama_cpp() is None
    with pytest.raises(UserError, match=r"nothing was verified; pip install 'ml-playground\[verify\]'"):
        verify_gguf(trained, tmp_path / "model.gguf", "f32", windows(TOKENIZERS["char"]))


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_text("the old one", encoding="utf-8")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(RunError, match=r"model\.gguf: cannot be written: .*; the disk may be full"):
            write_gguf(model_of(GPT, TOKENIZERS["char"]), path, "f32")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text(encoding="utf-8") == "the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.gguf"]
