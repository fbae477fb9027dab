"""This project's tokenizers as ``tokenizer.json``, which transformers reads without custom code."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from ml_playground.durable import to_json, write_text
from ml_playground.errors import UserError
from ml_playground.text.byte_level import byte_level
from ml_playground.text.ids import END_OF_TEXT
from ml_playground.text.tiktoken import TiktokenTokenizer
from ml_playground.text.tokenizer import Tokenizer as OurTokenizer

_Trie = dict[str, "_Trie"]
_END = ""
"""Key that marks a node of the trie at which a token ends."""


@dataclass(frozen=True)
class FastTokenizer:
    """A tokenizer in the form of transformers."""

    definition: str
    """Content of ``tokenizer.json``."""
    end: str | None
    """Text of the end-of-text token; None for vocabularies without one."""
    start: str | None
    """Text of the token that a text begins with when it is sampled; None if there is none."""
    template: str | None
    """Chat template; None for a model of plain text."""

    def write(self, folder: Path, context: int) -> None:
        """Write ``tokenizer.json`` and ``tokenizer_config.json``, for a model with a context of that many tokens."""
        settings = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            # What looks like a special token in a text is plain text; but a chat template writes special tokens.
            "split_special_tokens": self.template is None,
            **{name: token for name, token in (("eos_token", self.end), ("bos_token", self.start)) if token},
        }
        write_text(folder / "tokenizer.json", self.definition)
        write_text(folder / "tokenizer_config.json", to_json(settings, indent=1))
        if self.template:
            write_text(folder / "chat_template.jinja", self.template)


def fast_tokenizer(tokenizer: OurTokenizer) -> FastTokenizer:
    """Return the form of a tokenizer that encodes and decodes as it does.

    Texts that our tokenizer refuses, because a character is not in the vocabulary, are refused there too.

    Raises:
        UserError: If the tokenizer is of a kind from another package.
    """
    state = tokenizer.state
    kind = state["kind"]
    if kind not in _BUILDERS:
        raise UserError(f"the tokenizer '{kind}' cannot be exported; only {', '.join(_BUILDERS)} can")
    end = None if tokenizer.end_of_text is None else state["end"] if kind == "hf" else END_OF_TEXT
    return FastTokenizer(_BUILDERS[kind](tokenizer), end, state.get("start") or None, state.get("template"))


def _characters(tokenizer: OurTokenizer) -> str:
    return _longest_match(tokenizer, list(tokenizer.state["characters"]))


def _ngrams(tokenizer: OurTokenizer) -> str:
    return _longest_match(tokenizer, json.loads(tokenizer.state["tokens"]))


def _longest_match(tokenizer: OurTokenizer, tokens: list[str]) -> str:
    """Greedy longest match: a regular expression splits the text, and every piece is a token."""
    special = [END_OF_TEXT] if tokenizer.end_of_text is not None else []
    # No token is empty, so that a piece outside the vocabulary is an error and not silently another token.
    vocabulary = {token: place for place, token in enumerate([*tokens, *special])}
    fast = Tokenizer(models.WordLevel(vocabulary, unk_token=""))
    fast.pre_tokenizer = pre_tokenizers.Split(Regex(_pattern(_trie(tokens))), "isolated")
    fast.decoder = decoders.Fuse()
    fast.add_special_tokens([AddedToken(token, special=True) for token in special])
    return fast.to_str()


def _trie(tokens: list[str]) -> _Trie:
    root: _Trie = {}
    for token in tokens:
        node = root
        for character in token:
            node = node.setdefault(character, {})
        node[_END] = {}
    return root


def _pattern(node: _Trie) -> str:
    """Return a regular expression for the longest token below a node; alternatives are tried in order."""
    ends = [character for character, child in node.items() if character and child.keys() == {_END}]
    parts = [
        f"{_escaped(character)}{_pattern(child)}"
        for character, child in node.items()
        if character and child.keys() != {_END}
    ]
    if ends:
        parts.append(f"[{''.join(map(_escaped, ends))}]")
    return f"(?:{'|'.join(parts)}){'?' if _END in node else ''}" if parts else ""


def _escaped(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"


def _definition(tokenizer: OurTokenizer) -> str:
    return tokenizer.state["definition"]


def _tiktoken(tokenizer: OurTokenizer) -> str:
    assert isinstance(tokenizer, TiktokenTokenizer)
    special = tokenizer.special_tokens
    ranks = tokenizer.ranks()
    shown = {token: byte_level(token) for token in ranks}
    vocabulary = {shown[token]: rank for token, rank in ranks.items()} | special
    merges = [(shown[left], shown[right]) for left, right in tokenizer.merges()]
    fast = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    if tokenizer.state["encoding"] == "gpt2":  # its pattern is that of ByteLevel, by which other programs recognize it
        fast.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        split = pre_tokenizers.Split(Regex(tokenizer.pattern), "isolated")
        words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        fast.pre_tokenizer = pre_tokenizers.Sequence([split, words])
    fast.decoder = decoders.ByteLevel()
    fast.add_special_tokens([AddedToken(token, special=True) for token in special])
    return fast.to_str()


_BUILDERS: dict[str, Callable[[OurTokenizer], str]] = {
    "char": _characters,
    "char_ngram": _ngrams,
    "bpe": _definition,
    "hf": _definition,
    "tiktoken": _tiktoken,
}
