"""Vocabularies in the forms that llama.cpp has: byte pair encoding, and the longest token that matches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from gguf import GGUFWriter, TokenType

from ml_playground.errors import UserError
from ml_playground.text.byte_level import byte_level
from ml_playground.text.ids import END_OF_TEXT
from ml_playground.text.tiktoken import TiktokenTokenizer
from ml_playground.text.tokenizer import Tokenizer

_NO_MERGE = "{0} {0}".format(byte_level(b"\xff"))
"""Of bytes that no text has: llama.cpp refuses an empty list, which that of a vocabulary in ASCII would be."""
_GPT2_WORDS = ("gpt2", "r50k_base", "p50k_base")
"""tiktoken's encodings that split a text into words as GPT-2 does."""


@dataclass(frozen=True)
class GGUFVocabulary:
    """The metadata ``tokenizer.ggml.*``."""

    model: str
    """``gpt2`` for byte pair encoding, ``rwkv`` for the longest token that matches."""
    tokens: list[str]
    """Byte-level characters for ``gpt2``, all bytes escaped for ``rwkv``; None for an unused id."""
    merges: list[str] = field(default_factory=list[str])
    control: frozenset[int] = frozenset()
    """Ids of special tokens, which are not displayed."""
    end_of_text: int | None = None

    def add_to(self, writer: GGUFWriter, size: int) -> None:
        """Add the metadata, for a model whose embedding has ``size`` rows: nanoGPT pads GPT-2's vocabulary."""
        unused = range(len(self.tokens), size)
        types = [TokenType.CONTROL if place in self.control else TokenType.NORMAL for place in range(len(self.tokens))]
        writer.add_tokenizer_model(self.model)
        writer.add_token_list(self.tokens + [f"[PAD{place}]" for place in unused])
        writer.add_token_types(types + [TokenType.UNUSED for _ in unused])
        if self.model == "gpt2":
            writer.add_tokenizer_pre("gpt-2")
            writer.add_token_merges(self.merges)
        if self.end_of_text is not None:
            writer.add_bos_token_id(self.end_of_text)
            writer.add_eos_token_id(self.end_of_text)
        writer.add_add_bos_token(False)


def gguf_vocabulary(tokenizer: Tokenizer) -> GGUFVocabulary:
    """Return a tokenizer's vocabulary.

    Raises:
        UserError: If llama.cpp has no form for it.
    """
    state, end = tokenizer.state, tokenizer.end_of_text
    match state["kind"]:
        case "char" if end is not None:
            return _characters(state["characters"])
        case "char":
            return GGUFVocabulary("rwkv", [_escaped(character) for character in state["characters"]])
        case "char_ngram":
            return _ngrams(json.loads(state["tokens"]), end)
        case "bpe" | "hf":
            return _byte_pairs(json.loads(state["definition"]), end)
        case "tiktoken" if state["encoding"] in _GPT2_WORDS:
            assert isinstance(tokenizer, TiktokenTokenizer)
            return _ranked(tokenizer)
        case _:
            name = " ".join(state.values())
            raise UserError(f"the tokenizer '{name}' cannot be written to a GGUF file; tiktoken's gpt2 and bpe can")


def _characters(characters: str) -> GGUFVocabulary:
    """Each character is a token, built from its bytes by merges."""
    tokens = [byte_level(character.encode()) for character in characters]
    # Bytes of UTF-8 that begin a character never continue one: no merge reaches across characters.
    merges = {f"{token[:end]} {token[end]}": None for token in tokens for end in range(1, len(token))}
    end = len(tokens)
    return GGUFVocabulary("gpt2", [*tokens, END_OF_TEXT], list(merges) or [_NO_MERGE], frozenset({end}), end)


def _ngrams(tokens: list[str], end: int | None) -> GGUFVocabulary:
    escaped = [_escaped(token) for token in tokens]
    if end is None:
        return GGUFVocabulary("rwkv", escaped)
    # A byte that no text has keeps the characters of the end-of-text token plain text.
    return GGUFVocabulary("rwkv", [*escaped, "\\xff" + END_OF_TEXT], control=frozenset({end}), end_of_text=end)


def _escaped(token: str) -> str:
    return "".join([f"\\x{byte:02x}" for byte in token.encode()])


def _byte_pairs(definition: dict[str, Any], end: int | None) -> GGUFVocabulary:
    """The content of a ``tokenizer.json`` that splits words as GPT-2 does."""
    model: dict[str, Any] = definition["model"]
    words: dict[str, Any] = definition["pre_tokenizer"] or {}
    expected = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    if model["type"] != "BPE" or definition["normalizer"] or expected.items() - words.items():
        raise UserError(
            "only a byte-level BPE that splits words as GPT-2 does can be written to a GGUF file;"
            " export a Hugging Face folder, and convert that with llama.cpp's converter"
        )
    if end is None:
        raise UserError(
            "a vocabulary without an end-of-text token, of an earlier version, cannot be written to a GGUF"
            " file; prepare the data again, and train on it"
        )
    special = {token["id"]: token["content"] for token in definition["added_tokens"]}
    ids = {**model["vocab"], **{content: place for place, content in special.items()}}
    tokens = sorted(ids, key=lambda token: ids[token])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    return GGUFVocabulary("gpt2", tokens, merges, frozenset(special), end)


def _ranked(tokenizer: TiktokenTokenizer) -> GGUFVocabulary:
    special = {place: token for token, place in tokenizer.special_tokens.items()}
    content = {place: byte_level(token) for token, place in tokenizer.ranks().items()} | special
    merges = [f"{byte_level(left)} {byte_level(right)}" for left, right in tokenizer.merges()]
    tokens = [content[place] for place in range(tokenizer.vocab_size)]
    return GGUFVocabulary("gpt2", tokens, merges, frozenset(special), tokenizer.end_of_text)
