"""Verification of a GGUF file: llama.cpp must read the same tokens, and compute the same probabilities, as we do."""

from __future__ import annotations

import contextlib
import json
import math
import random
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ml_playground.errors import DataError, RunError, UserError
from ml_playground.exporting.gguf import stored_bytes
from ml_playground.models.base import LanguageModel
from ml_playground.runs.loading import Trained
from ml_playground.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from ml_playground.exporting.llama_worker import Job, Outcome

PROMPTS, TOKENS = 20, 200
_PACKAGE = "cyllama"
_PROMPT_TOKENS = 16
_SLOW = 100_000_000
"""Number of parameters times prompts above which fewer prompts are continued."""
_RANDOM = 300
"""Number of random token sequences whose text is encoded."""
_SMALL = 100_000_000
"""Size in bytes below which threads would rather wait for one another."""
_UNREADABLE = "\ufffd"


@dataclass(frozen=True)
class Verification:
    """How a model in llama.cpp compares to ours."""

    program: str
    """Name and version of the other program."""
    texts: int
    """Number of texts that both tokenizers encode and decode alike."""
    greedy_tokens: int
    """Number of greedily chosen tokens that were compared."""
    equal_tokens: float
    """Share of them that are equal, each program continuing its own text: after a tie the texts differ."""
    agreeing_tokens: float
    """Share of them that are equal, llama.cpp continuing our text."""
    largest_tie: float
    """Largest amount by which the logit of another token of llama.cpp's is below that of ours."""
    perplexity: float
    """Of our model, on the windows."""
    their_perplexity: float
    log_probability_difference: float
    """Root mean square of the difference of a token's log-probability."""
    validation_tokens: int


@dataclass(frozen=True)
class Bounds:
    """How far llama.cpp may be from our model, by the rounding of a type; see docs/exporting.md for what is usual."""

    log_probability: float
    """Root mean square of the difference of a token's log-probability."""
    perplexity: float = 1e-3
    """Relative difference."""
    agreeing_tokens: float = 0.99

    @property
    def tie(self) -> float:
        """Difference of two logits below which rounding decides which is larger."""
        return 6 * self.log_probability


_BOUNDS = {
    "f32": Bounds(1e-4),
    "f16": Bounds(5e-3),
    "bf16": Bounds(5e-2, 1e-2, 0.98),
    "q8_0": Bounds(1e-1, 1e-2, 0.95),
}
_GELU = Bounds(5e-3)
"""Of float32 in the family ``gpt``: llama.cpp computes GELU from a table in float16."""


def llama_cpp() -> str | None:
    """Return the name and version of the llama.cpp that is installed, or None."""
    return f"llama.cpp ({_PACKAGE} {version(_PACKAGE)})" if find_spec(_PACKAGE) else None


def verify_gguf(trained: Trained, path: Path, kind: str, windows: Tensor) -> Verification:
    """Run a file of :func:`~ml_playground.exporting.gguf.write_gguf` in llama.cpp and compare it with the model.

    Args:
        trained: The model, on the CPU in float32, with its tokenizer.
        path: The file.
        kind: The type it should have.
        windows: Token ids of validation text, shape (windows, tokens).

    Raises:
        UserError: If llama.cpp is not installed.
        RunError: If llama.cpp cannot run the file, or computes something else.
    """
    program = llama_cpp()
    if program is None:
        raise UserError("llama.cpp is not installed, and nothing was verified; pip install 'ml-playground[verify]'")
    model, tokenizer = trained.model.eval(), trained.tokenizer
    assert tokenizer is not None
    texts = _texts(tokenizer, windows)
    prompts = _prompts(model, windows)
    continued = _continue(model, prompts)
    outcome = _run(
        {
            "path": str(path.absolute()),
            "threads": 1 if stored_bytes(model, kind) < _SMALL else torch.get_num_threads(),
            "context": model.block_size,
            "texts": [*texts],
            "prompts": prompts.tolist(),
            "new_tokens": continued.shape[1] - prompts.shape[1],
            "windows": windows.tolist(),
            "continued": continued.tolist(),
        },
        program,
    )
    _compare_vocabulary(tokenizer, model, kind, texts, outcome, program)
    own, theirs = _log_probabilities(model, windows), torch.tensor(outcome["log_probabilities"], dtype=torch.float64)
    difference = (own - theirs).square().mean().sqrt().item()
    perplexity, their_perplexity = (math.exp(-values.mean().item()) for values in (own, theirs))
    fresh = continued[:, prompts.shape[1] :]
    equal = (fresh == torch.tensor(outcome["continued"])).double().mean().item()
    chosen = torch.tensor(outcome["chosen"])[:, prompts.shape[1] - 1 :]
    agreeing = (fresh == chosen).double().mean().item()
    verification = Verification(
        program, len(texts), fresh.numel(), equal, agreeing, _largest_tie(model, continued, chosen),
        perplexity, their_perplexity, difference, own.numel(),
    )  # fmt: skip
    _check(verification, _GELU if kind == "f32" and "bias" in model.args else _BOUNDS[kind])
    return verification


def _check(found: Verification, bounds: Bounds) -> None:
    """Raises:
    RunError: If a figure is out of bounds, or not a number.
    """
    for name, value, bound in (
        ("log-probabilities differ", found.log_probability_difference, bounds.log_probability),
        ("perplexity differs", abs(found.their_perplexity / found.perplexity - 1), bounds.perplexity),
        ("share of other greedy tokens is", 1 - found.agreeing_tokens, 1 - bounds.agreeing_tokens),
        ("greedy tokens differ by logits", found.largest_tie, bounds.tie),
    ):
        if not value <= bound:
            raise RunError(f"{found.program}: {name} by {value:.2g}, and rounding explains {bound:.2g} at most")


def _texts(tokenizer: Tokenizer, windows: Tensor) -> dict[str, list[int]]:
    """Return texts with their ids: of the windows, of each token, of random tokens."""
    source = random.Random(1)  # noqa: S311  # no cryptography
    ids = range(tokenizer.vocab_size)
    sequences: list[list[int]] = [*windows.tolist(), *([token] for token in ids)]
    sequences += [source.choices(ids, k=30) for _ in range(_RANDOM)]
    texts: dict[str, list[int]] = {}
    for text in map(tokenizer.decode, sequences):
        if text and _UNREADABLE not in text:
            with contextlib.suppress(DataError):  # the end-of-text token as text
                texts[text] = tokenizer.encode(text).tolist()
    return texts


def _prompts(model: LanguageModel, windows: Tensor) -> Tensor:
    """Return the ids of prompts, shape (prompts, tokens)."""
    length = max(1, min(_PROMPT_TOKENS, model.block_size // 4))
    pieces = windows[:, : windows.shape[1] // length * length].reshape(-1, length)
    wanted = max(2, min(PROMPTS, _SLOW // sum(parameter.numel() for parameter in model.parameters())))
    return pieces[:: max(1, len(pieces) // wanted)][:wanted]


@torch.inference_mode()
def _continue(model: LanguageModel, prompts: Tensor) -> Tensor:
    """Return prompts with greedily chosen tokens, within the context."""
    count = min(TOKENS, model.block_size - prompts.shape[1])
    cache, fresh, parts = model.new_cache(len(prompts), model.block_size), prompts, [prompts]
    for _ in range(count):
        fresh = model.head(model.hidden(fresh, cache)[:, -1:]).argmax(-1)
        parts.append(fresh)
    return torch.cat(parts, dim=1)


@torch.inference_mode()
def _log_probabilities(model: LanguageModel, windows: Tensor) -> Tensor:
    """Return the log-probability of each token of a window but the first, in float64."""
    rows: list[Tensor] = []
    for window in windows[:, None]:
        log_probabilities = model(window)[:, :-1].double().log_softmax(-1)
        rows.append(log_probabilities.gather(-1, window[:, 1:, None]).squeeze(-1))
    return torch.cat(rows)


@torch.inference_mode()
def _largest_tie(model: LanguageModel, continued: Tensor, chosen: Tensor) -> float:
    """Return how much less likely than our greedy tokens those are that llama.cpp chose after the same tokens."""
    count, largest = chosen.shape[1], 0.0
    for row, theirs in zip(continued, chosen, strict=True):
        ours = row[-count:]
        if len(places := (ours != theirs).nonzero().flatten()):
            logits = model(row[None])[0, -count - 1 :][places]
            below = logits.gather(-1, ours[places, None]) - logits.gather(-1, theirs[places, None])
            largest = max(largest, below.max().item())
    return largest


def _run(job: Job, program: str) -> Outcome:
    worker = [sys.executable, "-m", "ml_playground.exporting.llama_worker"]
    done = subprocess.run(worker, input=json.dumps(job), capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()] or [
            f"exit code {done.returncode}"
        ]
        raise RunError(f"{job['path']}: {program} cannot run it: {errors[-1].strip()}")
    return cast("Outcome", json.loads(done.stdout))


def _compare_vocabulary(
    tokenizer: Tokenizer, model: LanguageModel, kind: str, texts: dict[str, list[int]], outcome: Outcome, program: str
) -> None:
    """Raises:
    RunError: If a text has other tokens there, or a property of the model is another.
    """
    end = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    for name, found, wanted in (
        ("a context of", outcome["positions"], model.block_size),
        ("ids that end a text:", outcome["end_of_text"], end),
        ("a size in bytes of", outcome["size"], stored_bytes(model, kind)),
    ):
        if found != wanted:
            raise RunError(f"{program} reads {name} {found}, not {wanted}")
    for (text, ids), encoded in zip(texts.items(), outcome["encoded"], strict=True):
        if encoded != ids:
            raise RunError(f"{program} encodes {text[:40]!r} as {encoded[:8]}, not as {ids[:8]}")
    for token, piece in enumerate(outcome["pieces"][: tokenizer.vocab_size]):
        if piece != (expected := "" if token in end else tokenizer.decode([token])):
            raise RunError(f"{program} decodes token {token} to {piece!r}, not to {expected!r}")
