"""A good GGUF file with a single fault: llama.cpp loads nearly all of them, and verification finds each."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ml_playground.errors import RunError
from ml_playground.experiments.bundestag.sample import sample_text
from ml_playground.exporting.gguf import write_gguf
from ml_playground.exporting.llama_cpp import llama_cpp, verify
from ml_playground.exporting.reference import Reference
from ml_playground.models.build import create_model
from ml_playground.text.bpe import BpeTokenizer
from ml_playground.text.char import CharTokenizer
from ml_playground.text.tokenizer import Tokenizer
from ml_playground.training.loading import Trained
from tests.integration.gguf_faults import (
    EOS,
    MERGES,
    TOKENS,
    TYPES,
    Content,
    Fault,
    Type,
    cut,
    exchanged,
    metadata,
    missing,
    swapped,
    tensor,
    without,
)  # fmt: skip

pytestmark = pytest.mark.skipif(llama_cpp() is None, reason="needs llama.cpp: the extra verify")

TEXT = sample_text()[:20_000]
SHAPE = {"n_layer": 2, "n_head": 4, "n_embd": 32, "block_size": 48, "dropout": 0.0}
QWEN3 = {**SHAPE, "family": "qwen3", "n_kv_head": 4, "n_inner": 64, "rope_theta": 10_000.0, "norm_eps": 1e-6}
GPT = {**SHAPE, "family": "gpt", "bias": False, "norm_eps": 1e-5, "activation": "gelu_tanh"}


@dataclasses.dataclass(frozen=True)
class Good:
    """A good file, and what must come of it."""

    reference: Reference
    path: Path
    kind: str

    def verify(self, fault: Fault, architecture: str, folder: Path) -> None:
        content = Content.read(self.path)
        fault(content)
        content.write(folder / "fault.gguf", architecture)
        verify(self.reference, folder / "fault.gguf", self.kind)


def good(args: dict[str, Any], tokenizer: Tokenizer, path: Path, kind: str = "f32") -> Good:
    """The weights are random, and large enough that each matters."""
    torch.manual_seed(1)
    model = create_model({**args, "vocab_size": tokenizer.vocab_size})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1.0 if parameter.dim() == 1 else 0.0, 0.2)
    trained = Trained(Path("ckpt_last.pt"), 1, model, tokenizer, [])
    windows = torch.from_numpy(tokenizer.encode(TEXT).astype(np.int64))[: 48 * 10].view(10, 48)
    write_gguf(trained, path, kind)
    result = Good(Reference.of(trained, windows), path, kind)
    verify(result.reference, path, kind)  # or the rest says nothing
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("good")


@pytest.fixture(scope="module")
def qwen3(folder: Path) -> Good:
    return good(QWEN3, CharTokenizer.train([[TEXT.encode()]]), folder / "qwen3.gguf")


@pytest.fixture(scope="module")
def gpt(folder: Path) -> Good:
    return good(GPT, BpeTokenizer.train(400, [[TEXT.encode()]]), folder / "gpt.gguf")


def scaled(factor: float) -> Callable[[Any], Any]:
    return lambda value: value * factor


def one_sign(data: Any) -> Any:
    data[3, 5] *= -1
    return data


def one_block(data: Any) -> Any:
    scale = data[3, :2].view(np.float16)
    scale *= 2
    return data


BLOCK = "blk.1"
QWEN3_FAULTS: dict[str, Fault] = {
    "query transposed": tensor(f"{BLOCK}.attn_q.weight", np.transpose),
    "output transposed": tensor("blk.0.attn_output.weight", np.transpose),
    "query and key swapped": swapped(f"{BLOCK}.attn_q.weight", f"{BLOCK}.attn_k.weight"),
    "query's and key's norms swapped": swapped("blk.0.attn_q_norm.weight", "blk.0.attn_k_norm.weight"),
    "gate and up swapped": swapped("blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"),
    "layers swapped in part": swapped("blk.0.ffn_down.weight", "blk.1.ffn_down.weight"),
    "norms of a layer swapped": swapped("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"),
    "value scaled by 1 %": tensor("blk.0.attn_v.weight", scaled(1.01)),
    "last norm scaled by 0.1 %": tensor("output_norm.weight", scaled(1.001)),
    "one sign": tensor("blk.0.ffn_up.weight", one_sign),
    "heads permuted": tensor(f"{BLOCK}.attn_v.weight", lambda w: np.roll(w, 8, axis=0)),
    "pairs of RoPE interleaved": tensor(
        "blk.0.attn_k.weight", lambda w: w.reshape(4, 2, 4, -1).swapaxes(1, 2).reshape(w.shape)
    ),
    "embedding shifted by a row": tensor("token_embd.weight", lambda w: np.roll(w, 1, axis=0)),
    "a tensor in f16": cut("blk.0.attn_q.weight", Type.F16),
    "a tensor in q8_0": cut("token_embd.weight", Type.Q8_0),
    "a tensor rounded to bf16": tensor("blk.0.attn_q.weight", lambda w: torch.from_numpy(w).bfloat16().float().numpy()),
    "a tensor missing": missing("blk.0.attn_q_norm.weight"),
    "RoPE's theta": metadata("qwen3.rope.freq_base", scaled(1.05)),
    "epsilon": metadata("qwen3.attention.layer_norm_rms_epsilon", scaled(10)),
    "head count": metadata("qwen3.attention.head_count", lambda n: n // 2),
    "key-value head count": metadata("qwen3.attention.head_count_kv", lambda n: n // 2),
    "a layer less": metadata("qwen3.block_count", lambda n: n - 1),
    "context halved": metadata("qwen3.context_length", lambda n: n // 2),
    "context doubled": metadata("qwen3.context_length", lambda n: n * 2),
    "a merge missing": metadata(MERGES, lambda merges: merges[1:]),
    "a merge of a longer character missing": metadata(MERGES, lambda merges: merges[:-1]),
    "two tokens swapped": metadata(TOKENS, exchanged(20, 21)),
    "two umlauts swapped": metadata(TOKENS, exchanged(-2, -3)),
    "end of text is another token": metadata(EOS, lambda _: 3),
    "end of text is not set": without(EOS),
    "a letter is a special token": metadata(TYPES, lambda types: [*types[:20], 3, *types[21:]]),
    "a beginning is added": metadata("tokenizer.ggml.add_bos_token", lambda _: True),
    "another tokenizer": metadata("tokenizer.ggml.model", lambda _: "llama"),
    "no merges": without(MERGES),
}  # fmt: skip
GPT_FAULTS: dict[str, Fault] = {
    "position embeddings shifted": tensor("position_embd.weight", lambda w: np.roll(w, 1, axis=0)),
    "query, key and value in another order": tensor("blk.0.attn_qkv.weight", lambda w: np.roll(w, 32, axis=0)),
    "a bias that the model has not": tensor(
        "blk.1.ffn_down.bias", lambda b: b + np.linspace(0, 0.1, len(b), dtype=np.float32)
    ),
    "epsilon": metadata("gpt2.attention.layer_norm_epsilon", scaled(1000)),
    "head count": metadata("gpt2.attention.head_count", lambda n: n * 2),
    "context longer than positions": metadata("gpt2.context_length", lambda n: n + 16),
    "merges in another order": metadata(MERGES, lambda merges: merges[::-1]),
    "a merge missing": metadata(MERGES, lambda merges: [*merges[:10], *merges[11:]]),
    "a byte without token": metadata(TOKENS, lambda tokens: ["[byte]", *tokens[1:]]),
    "bytes swapped that a text needs for other characters": metadata(TOKENS, exchanged(150, 160)),
    "words split in another way": metadata("tokenizer.ggml.pre", lambda _: "llama-bpe"),
}  # fmt: skip


@pytest.mark.parametrize("name", QWEN3_FAULTS)
def test_every_fault_in_a_qwen3_model_of_characters_is_found(name: str, qwen3: Good, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        qwen3.verify(QWEN3_FAULTS[name], "qwen3", tmp_path)


@pytest.mark.parametrize("name", GPT_FAULTS)
def test_every_fault_in_a_gpt_model_of_byte_pairs_is_found(name: str, gpt: Good, tmp_path: Path) -> None:
    with pytest.raises(RunError):
        gpt.verify(GPT_FAULTS[name], "gpt2", tmp_path)


def test_a_block_of_a_quantized_tensor_with_another_scale_is_found(folder: Path, tmp_path: Path) -> None:
    quantized = good(QWEN3, CharTokenizer.train([[TEXT.encode()]]), folder / "quantized.gguf", "q8_0")
    with pytest.raises(RunError):
        quantized.verify(tensor("blk.0.ffn_gate.weight", one_block), "qwen3", tmp_path)


def test_a_file_that_ends_early_is_found(qwen3: Good, tmp_path: Path) -> None:
    path = tmp_path / "short.gguf"
    path.write_bytes(qwen3.path.read_bytes()[:-64])
    with pytest.raises(RunError, match=r"short.gguf: llama.cpp .* cannot run it: .*"):
        verify(qwen3.reference, path, "f32")
