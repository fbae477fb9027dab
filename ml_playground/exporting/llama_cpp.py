"""Verification of a GGUF file: llama.cpp must read the same tokens, and compute the same probabilities, as we do."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ml_playground.errors import RunError, UserError, printable
from ml_playground.exporting.gguf import TensorType, is_written, stored_bytes
from ml_playground.exporting.reference import Reference
from ml_playground.models.config import DEFAULT_FAMILY
from ml_playground.training.loading import Trained

if TYPE_CHECKING:
    from ml_playground.exporting.llama_worker import Job, Outcome

_PACKAGE = "cyllama"
_ERROR = re.compile("error|assert", re.IGNORECASE)
_PATIENCE_SECONDS = 3600
"""llama.cpp's search for the longest token does not end at some texts outside the vocabulary."""
_SMALL = 100_000_000
"""Size in bytes below which threads would rather wait for one another."""


@dataclass(frozen=True)
class Verification:
    """How a model in llama.cpp compares to ours."""

    program: str
    """Name and version of the other program."""
    texts: int
    """Number of texts that both tokenizers encode alike; each token decodes alike, too."""
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

    def summary(self) -> str:
        """Return the figures in one line."""
        return (
            f"{self.agreeing_tokens:.2%} of {self.greedy_tokens:,} greedy tokens equal, perplexity"
            f" {self.their_perplexity:.4f} (here {self.perplexity:.4f}), {self.texts:,} texts encoded alike"
        )

    def lines(self) -> list[str]:
        """Return the figures as a list in Markdown."""
        return [
            f"- Compared with the checkpoint in {self.program}, the checkpoint in float32.",
            f"- Greedy tokens compared: {self.greedy_tokens:,}. Equal after the same text: {self.agreeing_tokens:.2%};"
            f" each program continuing its own text, which differs after a tie: {self.equal_tokens:.2%}.",
            f"- Where they differ, the logits of both tokens are at most {self.largest_tie:.2g} apart.",
            f"- Texts that both tokenizers encode alike: {self.texts:,}. Every token decodes alike.",
            f"- Perplexity on {self.validation_tokens:,} tokens: {self.perplexity:.4f} in ml-playground,"
            f" {self.their_perplexity:.4f} in llama.cpp.",
            f"- Difference of a token's log-probability, root mean square: {self.log_probability_difference:.2g}.",
        ]


@dataclass(frozen=True)
class Bounds:
    """How far llama.cpp may be from our model, by the rounding of a type; about ten times what is usual."""

    log_probability: float
    """Root mean square of the difference of a token's log-probability."""
    perplexity: float = 1e-3
    """Relative difference."""
    agreeing_tokens: float = 0.99

    @property
    def tie(self) -> float:
        """Difference of two logits below which rounding decides which is larger."""
        return 6 * self.log_probability

    def check(self, found: Verification) -> None:
        """Check all figures.

        Raises:
            RunError: If one is out of bounds, or not a number.
        """
        for name, value, bound in (
            ("log-probabilities differ by", found.log_probability_difference, self.log_probability),
            ("perplexities differ by", abs(found.their_perplexity / found.perplexity - 1), self.perplexity),
            ("share of greedy tokens that differ:", 1 - found.agreeing_tokens, 1 - self.agreeing_tokens),
            ("greedy tokens differ whose logits are apart by", found.largest_tie, self.tie),
        ):
            if not value <= bound:
                raise RunError(f"in {found.program}, {name} {value:.2g}; rounding explains at most {bound:.2g}")


BOUNDS = {
    "f32": Bounds(5e-5),
    "f16": Bounds(5e-3),
    "bf16": Bounds(5e-2, 1e-2, 0.98),
    "q8_0": Bounds(1e-1, 1e-2, 0.95),
}
_GELU = Bounds(5e-3)
"""Of float32 in the family ``gpt``: llama.cpp computes GELU from a table in float16."""
_FEWER_BITS = Bounds(1.0, 0.5, 0.5)
"""Of the types that llama.cpp's own quantizer writes."""


def llama_cpp() -> str | None:
    """Return the name and version of the llama.cpp that is installed, or None."""
    return f"llama.cpp ({_PACKAGE} {version(_PACKAGE)})" if find_spec(_PACKAGE) else None


def verify_gguf(trained: Trained, path: Path, kind: str, windows: Tensor) -> Verification:
    """Run a file of :func:`~ml_playground.exporting.gguf.write_gguf` in llama.cpp and compare it with the model.

    Args:
        trained: The model, on the CPU in float32, with its tokenizer.
        path: The file.
        kind: The type it should have.
        windows: Token ids of validation text, shape (windows, tokens); at most the model's context long.

    Raises:
        UserError: If llama.cpp is not installed.
        RunError: If llama.cpp cannot run the file, or computes something else.
    """
    return verify(Reference.of(trained, windows), path, kind)


def verify(reference: Reference, path: Path, kind: str) -> Verification:
    """Run a file in llama.cpp and compare.

    Raises:
        UserError: If llama.cpp is not installed.
        RunError: If llama.cpp cannot run the file, or computes something else.
    """
    program = llama_cpp()
    if program is None:
        raise UserError("llama.cpp is not installed, and nothing was verified; pip install 'ml-playground[verify]'")
    written = is_written(reference.model)
    size = stored_bytes(reference.model, kind) if written and kind in TensorType.__members__ else None
    length = reference.prompts.shape[1]
    outcome = _run(
        {
            "path": str(path.absolute()),
            "threads": 1 if path.stat().st_size < _SMALL else torch.get_num_threads(),
            "context": reference.model.block_size,
            "texts": [*reference.texts],
            "prompts": reference.prompts.tolist(),
            "new_tokens": reference.continued.shape[1] - length,
            "windows": reference.windows.tolist(),
            "continued": reference.continued.tolist(),
        },
        program,
    )
    _check_content(reference, outcome, size, program)
    theirs = torch.tensor(outcome["log_probabilities"], dtype=torch.float64)
    fresh, chosen = reference.continued[:, length:], torch.tensor(outcome["chosen"])[:, length - 1 :]
    alone = torch.tensor(outcome["continued"])
    comparable = (alone != fresh).cumsum(1) <= 1  # after the first other token, the texts have nothing in common
    found = Verification(
        program=program,
        texts=len(reference.texts),
        greedy_tokens=fresh.numel(),
        equal_tokens=(fresh == alone).double().mean().item(),
        agreeing_tokens=(fresh == chosen).double().mean().item(),
        largest_tie=max(reference.largest_tie(chosen), reference.largest_tie(alone.where(comparable, fresh))),
        perplexity=math.exp(-reference.log_probabilities.mean().item()),
        their_perplexity=math.exp(-theirs.mean().item()),
        log_probability_difference=(reference.log_probabilities - theirs).square().mean().sqrt().item(),
        validation_tokens=theirs.numel(),
    )
    gelu = kind == "f32" and reference.model.args.get("family", DEFAULT_FAMILY) == "gpt"
    (_GELU if gelu else BOUNDS.get(kind, _FEWER_BITS)).check(found)
    return found


def _check_content(reference: Reference, outcome: Outcome, size: int | None, program: str) -> None:
    """Raises:
    RunError: If a text has other tokens there, or a property of the model is another.
    """
    tokenizer = reference.tokenizer
    if not is_written(reference.model):
        _check_pretrained_content(reference, outcome, program)
        return
    end = [] if tokenizer.end_of_text is None else [tokenizer.end_of_text]
    for name, found, wanted in (
        ("a context of", outcome["positions"], reference.model.block_size),
        ("ids that end a text:", outcome["end_of_text"], end),
        ("a size in bytes of", outcome["size"], size),
    ):
        if wanted is not None and found != wanted:
            raise RunError(f"{program} reads {name} {found}, not {wanted}")
    for token, piece in enumerate(outcome["pieces"][: tokenizer.vocab_size]):
        if piece != (expected := "" if token in end else tokenizer.decode([token])):
            raise RunError(f"{program} decodes token {token} to {piece!r}, not to {expected!r}")
    for (text, ids), encoded in zip(reference.texts.items(), outcome["encoded"], strict=True):
        if encoded != ids:
            raise RunError(f"{program} encodes {text[:40]!r} as {encoded[:8]}, not as {ids[:8]}")


def _check_pretrained_content(reference: Reference, outcome: Outcome, program: str) -> None:
    """The same for a finetuned model: its context is its base's, and it may decode a token by its neighbors.

    Raises:
        RunError: If a text has other tokens there, apart from the one at its start, or does not end where it should.
    """
    tokenizer = reference.tokenizer
    if tokenizer.end_of_text not in outcome["end_of_text"]:
        raise RunError(f"{program} ends texts at {outcome['end_of_text']}, not at {tokenizer.end_of_text}")
    for (text, ids), encoded in zip(reference.texts.items(), outcome["encoded"], strict=True):
        if encoded not in (ids, [tokenizer.start_of_text, *ids]):
            raise RunError(f"{program} encodes {text[:40]!r} as {encoded[:8]}, not as {ids[:8]}")


def _run(job: Job, program: str) -> Outcome:
    worker = [sys.executable, "-m", "ml_playground.exporting.llama_worker"]
    try:
        done = subprocess.run(
            worker, input=json.dumps(job), capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise RunError(f"{job['path']}: {program} has not finished after {_PATIENCE_SECONDS:,} seconds") from None
    if done.returncode:
        reasons = [line.strip() for line in done.stderr.splitlines() if _ERROR.search(line)]
        reason = printable(reasons[0]) if reasons else f"exit code {done.returncode}"
        raise RunError(f"{job['path']}: {program} cannot run it: {reason}")
    return cast("Outcome", json.loads(done.stdout))
