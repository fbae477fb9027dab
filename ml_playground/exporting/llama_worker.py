"""Run a GGUF file in llama.cpp: a job as JSON on standard input, what came out as JSON on standard output.

A process of its own, because llama.cpp ends the process that gives it a wrong file.
"""

from __future__ import annotations

import json
import sys
from typing import Any, TypedDict

import numpy as np
from cyllama.llama import llama_cpp
from numpy.typing import NDArray


class Model(llama_cpp.LlamaModel):  # type: ignore[misc]  # untyped
    """A model whose logits can be read: the library looks the vocabulary's size up where it is not."""

    @property
    def n_vocab(self) -> int:
        """Number of tokens."""
        return int(self.get_vocab().n_vocab)


class Job(TypedDict):
    """What to run."""

    path: str
    threads: int
    context: int
    """Number of positions."""
    texts: list[str]
    """Texts to encode."""
    prompts: list[list[int]]
    """Token ids to continue greedily."""
    new_tokens: int
    windows: list[list[int]]
    """Token ids whose probabilities to compute."""
    continued: list[list[int]]
    """Token ids after each of which to choose the likeliest."""


class Outcome(TypedDict):
    """What llama.cpp made of it."""

    size: int
    """Of all tensors, in bytes."""
    positions: int
    end_of_text: list[int]
    """All ids that end a generation."""
    encoded: list[list[int]]
    pieces: list[str]
    """Text of each token of the vocabulary."""
    continued: list[list[int]]
    log_probabilities: list[list[float]]
    """Of each token of a window but the first."""
    chosen: list[list[int]]
    """The likeliest token after each one of ``continued`` but the last."""


def run(job: Job) -> Outcome:
    """Load the file and do the job."""
    llama_cpp.llama_backend_init()
    params = llama_cpp.LlamaModelParams()
    params.n_gpu_layers = 0
    model = Model(job["path"], params, verbose=False)
    vocab = model.get_vocab()
    encoded = [vocab.tokenize(text, add_special=True, parse_special=False) for text in job["texts"]]
    context = _context(model, job)
    continued = [_continue(context, prompt, job["new_tokens"]) for prompt in job["prompts"]]
    return {
        "size": model.size,
        "positions": model.n_ctx_train,
        "end_of_text": [token for token in range(vocab.n_vocab) if vocab.is_eog(token)],
        "encoded": encoded,
        # As programs print a text while it is generated; as a whole, spaces before punctuation would be removed.
        "pieces": [vocab.token_to_piece(token) for token in range(vocab.n_vocab)],
        "continued": continued,
        "log_probabilities": [_score(context, window) for window in job["windows"]],
        "chosen": [_choose(context, ids) for ids in job["continued"]],
    }


def _context(model: Any, job: Job) -> Any:
    params = llama_cpp.LlamaContextParams()
    params.n_ctx = params.n_batch = params.n_ubatch = job["context"]
    params.n_threads = params.n_threads_batch = job["threads"]
    params.flash_attn_type = 0
    params.type_k = params.type_v = 0  # float32, so that the weights alone make a difference
    return llama_cpp.LlamaContext(model, params, verbose=False)


def _continue(context: Any, prompt: list[int], count: int) -> list[int]:
    context.kv_cache_clear()
    greedy = _greedy()
    ids = list(prompt)
    fresh = prompt
    for _ in range(count):
        _decode(context, fresh, len(ids) - len(fresh), every=False)
        fresh = [greedy.sample(context, -1)]
        ids += fresh
    return ids[len(prompt) :]


def _choose(context: Any, ids: list[int]) -> list[int]:
    context.kv_cache_clear()
    _decode(context, ids, 0, every=True)
    greedy = _greedy()
    return [greedy.sample(context, place) for place in range(len(ids) - 1)]


def _greedy() -> Any:
    sampler = llama_cpp.LlamaSampler(llama_cpp.LlamaSamplerChainParams())
    sampler.add_greedy()
    return sampler


def _score(context: Any, window: list[int]) -> list[float]:
    context.kv_cache_clear()
    _decode(context, window, 0, every=True)
    scores: list[float] = []
    for place, target in enumerate(window[1:]):
        logits: NDArray[np.float64] = np.array(context.get_logits_ith(place))
        scores.append(float(logits[target] - np.logaddexp.reduce(logits)))
    return scores


def _decode(context: Any, ids: list[int], start: int, *, every: bool) -> None:
    batch = llama_cpp.LlamaBatch(n_tokens=len(ids), embd=0, n_seq_max=1)
    for place, token in enumerate(ids):
        batch.add(token, start + place, [0], every or place == len(ids) - 1)
    context.decode(batch)


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
