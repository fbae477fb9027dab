from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import product
from typing import cast

import pytest
import tiktoken
from tiktoken import registry

# Whatever byte pair encoding may do at a cut, it does with these.
TRICKY = " \n\r\tA1_./'é„\u3000"
_SPECIAL = 1000


def utf8(*chunks: str) -> list[bytes]:
    """A document as tokenizers read it."""
    return [chunk.encode() for chunk in chunks]


def _ranks(*_files: object, **_digests: object) -> dict[bytes, int]:
    """All bytes, and all pairs of tricky characters: the ids of a text show how it was split into words."""
    pairs = {(a + b).encode() for a, b in product(TRICKY, repeat=2)}
    joined = {pair[:end] for pair in pairs for end in range(2, len(pair) + 1)}  # merges go two by two
    tokens = [bytes([byte]) for byte in range(256)] + sorted(joined, key=lambda token: (len(token), token))
    return {token: rank for rank, token in enumerate(tokens)}


@pytest.fixture(scope="session", autouse=True)
def tiny_encodings() -> Iterator[None]:
    """Encodings with the patterns of the real ones and a vocabulary of a few bytes: they need no files."""
    tiktoken.list_encoding_names()  # fills the registry
    constructors = registry.ENCODING_CONSTRUCTORS
    assert constructors is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tiktoken_ext.openai_public.data_gym_to_mergeable_bpe_ranks", _ranks)
        patch.setattr("tiktoken_ext.openai_public.load_tiktoken_bpe", _ranks)
        patterns = {
            name: cast("str", constructors[name]()["pat_str"]) for name in ("gpt2", "cl100k_base", "o200k_base")
        }
    with pytest.MonkeyPatch.context() as patch:
        for name, pattern in patterns.items():
            definition = {
                "name": f"tiny_{name}",
                "pat_str": pattern,
                "mergeable_ranks": _ranks(),
                "special_tokens": {"<|endoftext|>": _SPECIAL},
            }
            patch.setitem(constructors, f"tiny_{name}", functools.partial(dict[str, object], definition))
        yield
