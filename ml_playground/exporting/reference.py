"""What another program must compute with an exported model: ours on some texts and prompts."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass

import torch
from torch import Tensor

from ml_playground.errors import DataError
from ml_playground.models.base import LanguageModel
from ml_playground.text.tokenizer import Tokenizer
from ml_playground.training.loading import Trained

PROMPTS, TOKENS = 20, 200
_PROMPT_TOKENS = 16
_SLOW = 500_000_000
"""Number of parameters times prompts above which fewer prompts are continued."""
_RANDOM = 300
"""Number of random token sequences whose text is encoded."""
# With all bytes that UTF-8 has, and one by one, as programs do not agree where words of all scripts end.
_CHARACTERS = [*range(0x80, 0x800, 13), *range(0x800, 0xD800, 997), *range(0x10000, 0x110000, 16411)]
_UNREADABLE = "\ufffd"


@dataclass(frozen=True)
class Reference:
    """A model, and what it makes of some texts."""

    model: LanguageModel
    tokenizer: Tokenizer
    texts: dict[str, list[int]]
    """Texts with their ids."""
    windows: Tensor
    """Ids of validation text, shape (windows, tokens)."""
    log_probabilities: Tensor
    """Of each token of a window but the first, in float64."""
    prompts: Tensor
    """Ids, shape (prompts, tokens)."""
    continued: Tensor
    """The prompts with greedily chosen tokens, within the context."""

    @classmethod
    def of(cls, trained: Trained, windows: Tensor) -> Reference:
        """Compute it; the model must be on the CPU in float32, and have a tokenizer."""
        model, tokenizer = trained.model.eval(), trained.tokenizer
        assert tokenizer is not None
        prompts = _prompts(model, windows)
        continued, log_probabilities = _continue(model, prompts), _log_probabilities(model, windows)
        return cls(model, tokenizer, _texts(tokenizer, windows), windows, log_probabilities, prompts, continued)

    @torch.inference_mode()
    def largest_tie(self, chosen: Tensor) -> float:
        """Return by how much the logits of other tokens are below those of our greedy ones, after the same tokens.

        Args:
            chosen: The tokens of the other program, shape (prompts, new tokens).
        """
        count, largest = chosen.shape[1], 0.0
        for row, theirs in zip(self.continued, chosen, strict=True):
            ours = row[-count:]
            if len(places := (ours != theirs).nonzero().flatten()):
                logits = self.model(row[None])[0, -count - 1 :][places]
                below = logits.gather(-1, ours[places, None]) - logits.gather(-1, theirs[places, None])
                largest = max(largest, below.max().item())
        return largest


def _texts(tokenizer: Tokenizer, windows: Tensor) -> dict[str, list[int]]:
    """Return texts with their ids: of the windows, of each token, of random tokens, of single characters."""
    source = random.Random(1)  # noqa: S311  # no cryptography
    ids = range(tokenizer.vocab_size)
    sequences: list[list[int]] = [*windows.tolist(), *([token] for token in ids)]
    sequences += [source.choices(ids, k=30) for _ in range(_RANDOM)]
    decoded = [text for text in map(tokenizer.decode, sequences) if text and _UNREADABLE not in text]
    texts: dict[str, list[int]] = {}
    for text in [*decoded, *map(chr, _CHARACTERS)]:
        with contextlib.suppress(DataError):  # a character outside the vocabulary
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
