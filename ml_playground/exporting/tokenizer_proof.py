"""Proof of an exported tokenizer: it encodes and decodes every text as ours does, and refuses the same ones."""

# transformers types its functions in part; what they return is compared with ours.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from ml_playground.errors import DataError, RunError
from ml_playground.exporting.fast_tokenizer import fast_tokenizer
from ml_playground.text.tokenizer import ChatTokenizer, Tokenizer, is_chat

transformers_logging.set_verbosity_error()

_RANDOM = 1000
"""Number of random texts, and of random token sequences."""
_PARTS = {"vocab": "tokens", "merges": "merges"}
_RANGES = ((32, 127), (32, 127), (0x80, 0x600), (0x1E00, 0x3100), (0x4E00, 0x9FFF), (0x1F300, 0x1F700), (9, 14))


def prove_tokenizer(ours: Tokenizer, folder: Path, windows: Tensor) -> int:
    """Compare the tokenizer that transformers loads from a folder with ours, and return the number of texts compared.

    Args:
        ours: Our tokenizer.
        folder: The folder with ``tokenizer.json``.
        windows: Token ids of some texts, shape (texts, tokens).

    Raises:
        RunError: If they differ.
    """
    theirs = AutoTokenizer.from_pretrained(str(folder))
    _compare_definitions(ours, theirs)
    if theirs.eos_token_id != ours.end_of_text:
        raise RunError(
            f"the end-of-text token of {folder.name}'s tokenizer is {theirs.eos_token_id}, not {ours.end_of_text}"
        )
    sequences = [*windows.tolist(), *([token] for token in range(ours.vocab_size)), *_random_ids(ours)]
    accepted: list[str] = []
    texts = [ours.decode(sequence) for sequence in sequences] + _random_texts()
    for text in texts:
        try:
            ours.encode(text)
        except DataError:
            _refuse(theirs, text)
        else:
            accepted.append(text)
    plain = {"split_special_tokens": True} if is_chat(ours) else {}  # a chat template needs the others
    encoded = theirs(accepted, add_special_tokens=False, **plain)["input_ids"]
    for text, ids in zip(accepted, encoded, strict=True):
        own = ours.encode(text).tolist()
        if own != ids:
            raise RunError(f"the tokenizer of {folder.name} encodes {text[:40]!r} as {ids[:8]}, not as {own[:8]}")
        if (decoded := theirs.decode(ids, skip_special_tokens=False)) != ours.decode(own):
            raise RunError(f"the tokenizer of {folder.name} decodes {text[:40]!r} to {decoded[:40]!r}")
    if is_chat(ours):
        _compare_turns(ours, theirs, [text for text in accepted if not any(token in text for token in ours.special)])
    return len(texts)


def _compare_turns(ours: ChatTokenizer, theirs: Any, prompts: list[str]) -> None:
    for prompt in prompts[:_RANDOM]:
        turn = [{"role": "user", "content": prompt}]
        ids = theirs.apply_chat_template(turn, add_generation_prompt=True, return_dict=False)
        if ids != (own := ours.encode_turn(prompt).tolist()):
            raise RunError(f"transformers renders the chat turn {prompt[:40]!r} as {ids[:8]}, not as {own[:8]}")


def _compare_definitions(ours: Tokenizer, theirs: Any) -> None:
    """Compare all tokens and merges, those too that no text shows because they are parts of a character."""
    want = json.loads(fast_tokenizer(ours).definition)["model"]
    have = json.loads(theirs.backend_tokenizer.to_str())["model"]
    for part in ("vocab", "merges"):
        if want.get(part) != have.get(part):
            raise RunError(f"transformers has other {_PARTS[part]} in the tokenizer than this program")


def _refuse(theirs: Any, text: str) -> None:
    try:
        ids = theirs(text, add_special_tokens=False)["input_ids"]
    except Exception:  # noqa: BLE001  # the library raises nothing more specific
        return
    raise RunError(f"transformers encodes {text[:40]!r} as {ids[:8]}, though characters are not in the vocabulary")


def _random_ids(ours: Tokenizer) -> list[list[int]]:
    source = random.Random(1)  # noqa: S311  # no cryptography
    return [[source.randrange(ours.vocab_size) for _ in range(source.randrange(1, 40))] for _ in range(_RANDOM)]


def _random_texts() -> list[str]:
    source = random.Random(2)  # noqa: S311  # no cryptography
    lengths = [source.randrange(1, 60) for _ in range(_RANDOM)]
    return ["".join(chr(source.randrange(*source.choice(_RANGES))) for _ in range(length)) for length in lengths]
