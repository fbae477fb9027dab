"""Proof of an exported model: what transformers loads computes, encodes and writes what our model does."""

# transformers types its functions in part; what they return is compared with ours.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import GenerationConfig

from ml_playground.dataset.windows import IGNORED
from ml_playground.errors import RunError
from ml_playground.exporting.reference import PROMPTS, TOKENS
from ml_playground.exporting.subject import Subject

EXACT = 1e-5
"""Largest difference of a logit between two implementations in float32, as a share of the largest logit."""
_SLOW = 100_000_000
"""Number of parameters times prompts above which fewer prompts are continued."""
_ROWS = 1024
"""Tokens whose logits are in memory at a time."""


@dataclass(frozen=True)
class Proof:
    """What was compared with another program, and how closely it agreed."""

    program: str
    """Name and version of the other program."""
    logit_difference: float
    """Largest absolute difference of a logit."""
    greedy_tokens: int
    """Number of greedily chosen tokens, all of them equal."""
    texts: int
    """Number of texts that both tokenizers encode and decode alike."""
    perplexity: float | None
    """Of our model, on a part of the validation text; None without one."""
    their_perplexity: float | None
    validation_tokens: int

    def summary(self) -> str:
        """Return the figures in one line."""
        perplexity = "" if self.perplexity is None else f", perplexity {self.perplexity:.4f}"
        return (
            f"largest difference of a logit {self.logit_difference:.1e}, {self.greedy_tokens:,} greedy tokens"
            f" equal{perplexity}, {self.texts:,} texts encoded alike"
        )

    def lines(self) -> list[str]:
        """Return the figures as a list in Markdown."""
        lines = [
            f"- Compared with the checkpoint in {self.program}, in float32.",
            f"- Largest difference of a logit: {self.logit_difference:.1e}.",
            f"- Greedy tokens compared, all of them equal: {self.greedy_tokens:,}.",
            f"- Texts that both tokenizers encode and decode alike, or both refuse: {self.texts:,}.",
        ]
        if self.perplexity is not None and self.their_perplexity is not None:
            lines.append(
                f"- Perplexity on {self.validation_tokens:,} tokens of the validation text: {self.perplexity:.4f} in"
                f" ml-playground, {self.their_perplexity:.4f} in {self.program}."
            )
        return lines


@torch.no_grad()
def prove(subject: Subject, theirs: Any, texts: int, *, bound: float = EXACT) -> Proof:
    """Compare a model in transformers with ours.

    Args:
        subject: Our model, and the text to compare on.
        theirs: A causal model of transformers or PEFT, in float32 on the CPU.
        texts: Number of texts on which the tokenizers have been compared.
        bound: Largest difference of a logit, as a share of the largest one.

    Raises:
        RunError: If they differ by more than rounding explains.
    """
    program, batch = f"transformers {version('transformers')}", subject.windows()
    difference, largest, losses = 0.0, 1.0, torch.zeros(2, dtype=torch.float64)
    for ids, targets in _pieces(batch.inputs, batch.targets):
        own, other = subject.model(ids), theirs(ids).logits
        if own.shape != other.shape:
            raise RunError(f"{program} has {other.shape[-1]} tokens in its vocabulary, the model {own.shape[-1]}")
        difference = max(difference, float((own - other).abs().max()))
        largest = max(largest, float(own.abs().max()))
        losses += torch.tensor([_loss(own, targets), _loss(other, targets)], dtype=torch.float64)
    if not difference <= bound * largest:
        raise RunError(
            f"the logits of {program} differ from the model's by {difference:.2g}, and only {bound * largest:.2g} is"
            " explained by rounding"
        )
    compared = int((batch.targets != IGNORED).sum())
    own_perplexity, perplexity = (math.exp(float(loss) / max(1, compared)) for loss in losses)
    tokens = _greedy(subject, batch.inputs, theirs, program, 2 * bound * largest)
    if subject.dataset is None:
        return Proof(program, difference, tokens, texts, None, None, 0)
    return Proof(program, difference, tokens, texts, own_perplexity, perplexity, compared)


def _pieces(inputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    rows = max(1, _ROWS // inputs.shape[1])
    yield from zip(inputs.split(rows), targets.split(rows), strict=True)


def _loss(logits: Tensor, targets: Tensor) -> float:
    return float(F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="sum"))


def _greedy(subject: Subject, windows: Tensor, theirs: Any, program: str, tie: float) -> int:
    """Compare greedy continuations within the context, and return how many tokens were compared.

    Each of their tokens must be the likeliest for our model after those before it, or as likely as that.
    """
    model = subject.model
    start = max(1, windows.shape[1] // 4)
    count = min(TOKENS, model.block_size - start)
    if not count:
        return 0
    parameters = sum(parameter.numel() for parameter in model.parameters())
    prompts = windows[: max(2, min(PROMPTS, _SLOW // parameters)), :start]
    size = min(subject.tokenizer.vocab_size, model.vocab_size)
    continued = _continue(theirs, prompts, count, size)
    for number, row in enumerate(continued, 1):
        scores = model(row[:-1].unsqueeze(0))[0, start - 1 :, :size]
        chosen = scores.gather(1, row[start:].unsqueeze(1)).squeeze(1)
        wrong = (scores.amax(1) - chosen > tie).nonzero()
        if len(wrong):
            raise RunError(
                f"the greedy text of {program} differs from the model's at token {int(wrong[0]) + 1:,} after prompt"
                f" {number}"
            )
    return continued[:, start:].numel()


def _continue(theirs: Any, prompts: Tensor, count: int, size: int) -> Tensor:
    """Return prompts of shape (prompts, tokens) with their continuations by ``count`` tokens."""
    unused = list(range(size, theirs.config.vocab_size)) or None
    # Not the settings of the folder: a penalty or a shorter text would be another computation.
    theirs.generation_config = GenerationConfig(
        do_sample=False, max_new_tokens=count, eos_token_id=None, pad_token_id=0, suppress_tokens=unused
    )
    out: Tensor = theirs.generate(prompts, attention_mask=torch.ones_like(prompts))
    return out
