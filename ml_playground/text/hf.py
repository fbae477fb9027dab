"""The tokenizer of a Hugging Face model, as its ``tokenizer.json`` has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ml_playground.durable import read_regular
from ml_playground.errors import DataError, first_line
from ml_playground.text.chat_template import ChatTemplate, MarkedText
from ml_playground.text.config import PrepareConfig
from ml_playground.text.hub import is_local
from ml_playground.text.ids import TokenIds, token_ids
from ml_playground.text.tokenizer import TokenizerKind, TokenizerState, tokenizers
from ml_playground.text.unknown import encodable, unknown

_KEY = "prepare.tokenizer_path"
_DEFINITION, _SETTINGS, _TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"


class HuggingFaceTokenizer:
    """Encodes text without special tokens; documents are separated by the model's end-of-sequence token.

    The state is the whole tokenizer, so that a checkpoint can be sampled without the model's folder.
    """

    def __init__(self, definition: str, end: str, start: str, template: str = "") -> None:
        """Load a tokenizer.

        Args:
            definition: Content of a ``tokenizer.json``.
            end: The end-of-sequence token.
            start: The beginning-of-sequence token; empty if there is none.
            template: The chat template; empty if the model was not trained on chats.

        Raises:
            DataError: If the definition cannot be used, or lacks the end-of-sequence token.
        """
        self._tokenizer = _tokenizer(definition)
        self._tokenizer.encode_special_tokens = True  # what looks like a special token in a text is plain text
        self._end, self._start, self._template = end, start, template
        self.end_of_text = self._tokenizer.token_to_id(end)
        self.start_of_text = self._tokenizer.token_to_id(start) if start else None
        if self.end_of_text is None:
            raise DataError(f"{_DEFINITION} has no end-of-sequence token {end!r}")

    @property
    def vocab_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def state(self) -> dict[str, str]:
        state = {"kind": "hf", "definition": self._tokenizer.to_str(), "end": self._end, "start": self._start}
        return {**state, "template": self._template} if self._template else state

    @cached_property
    def template(self) -> ChatTemplate | None:
        """The chat template; None for a model of plain text.

        Raises:
            DataError: If it cannot be used.
        """
        tokens = {"eos_token": self._end, "bos_token": self._start}
        return ChatTemplate(self._template, tokens) if self._template else None

    @cached_property
    def special(self) -> dict[str, int]:
        """Ids of the special tokens, by their text."""
        tokens = self._tokenizer.get_added_tokens_decoder()
        return {token.content: number for number, token in tokens.items() if token.special}

    @property
    def end_tokens(self) -> frozenset[int]:
        """Ids that end a sample: in a chat, a template has its own token for the end of a turn."""
        return frozenset(self.special.values()) if self._template else frozenset({cast("int", self.end_of_text)})

    @cached_property
    def _with_special(self) -> Tokenizer:
        """The same tokenizer for rendered templates, in which special tokens are what they look like."""
        return _tokenizer(self._tokenizer.to_str())

    def encode_marked(self, texts: Sequence[MarkedText]) -> list[tuple[TokenIds, NDArray[np.uint8]]]:
        """Encode rendered texts, in which special tokens are recognized, on all cores.

        Returns:
            Per text its ids, and a mask of the same shape (tokens,): 1 for tokens that are part of an answer.
        """
        encodings = self._with_special.encode_batch([text.text for text in texts], add_special_tokens=False)
        return [
            (token_ids(encoding.ids, self.vocab_size), _mask(encoding.offsets, text.answers))
            for encoding, text in zip(encodings, texts, strict=True)
        ]

    def encode_turn(self, prompt: str) -> TokenIds:
        """Encode a user's turn of a chat, up to where the answer begins."""
        assert self.template, "only chats have turns"
        text = self.template.render([{"role": "user", "content": prompt}], prompt=True)
        return self.encode_marked([MarkedText(text, [])])[0][0]

    def encode(self, text: str | bytes) -> TokenIds:
        # Of the encode methods, only those for batches release the GIL.
        text = encodable(text)
        try:
            (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        except Exception as error:  # noqa: BLE001  # the library raises nothing more specific
            known = self._tokenizer.get_vocab()
            missing = {character for character in text if character not in known}
            raise unknown(missing) if missing else DataError(f"the text cannot be encoded: {error}") from None
        return token_ids(encoding.ids, self.vocab_size)

    def cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        # Whole: not every tokenizer treats a text like the sum of its parts.
        yield b"".join(chunks)

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)


def _tokenizer(definition: str) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(definition)
    except Exception as error:  # noqa: BLE001  # the library raises nothing more specific
        raise DataError(f"{_DEFINITION} cannot be read: {first_line(error)}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _mask(offsets: Sequence[tuple[int, int]], answers: Sequence[tuple[int, int]]) -> NDArray[np.uint8]:
    """Return 1 for tokens with at least one character in an answer."""
    starts, ends = np.array(offsets, dtype=np.int64).reshape(-1, 2).T
    mask = np.zeros(len(starts), dtype=np.uint8)
    for first, last in answers:
        # Byte-level tokenizers exclude spaces from offsets: a token of spaces alone is empty, at the end of its own.
        mask[(ends > first) & (np.minimum(starts, ends - 1) < last)] = 1
    return mask


def load_hugging_face_tokenizer(config: PrepareConfig, *, chat: bool = False) -> HuggingFaceTokenizer:
    """Load the tokenizer at ``[prepare] tokenizer_path``, with a chat template if ``chat`` is set.

    Raises:
        DataError: If it cannot be used, or has no chat template.
    """
    definition, settings = (_read(config, name) for name in (_DEFINITION, _SETTINGS))
    names = _table(settings)
    end, start = (_token(names.get(name)) for name in ("eos_token", "bos_token"))
    if not end:
        raise DataError(f"{_KEY}: {_SETTINGS} names no eos_token, which separates documents")
    template = read_chat_template(config) if chat else ""
    if template is None:
        raise DataError(
            f"{_KEY} = {config.tokenizer_path}: has no chat template, which messages need; name a file with one in"
            " [prepare.instructions] chat_template"
        )
    return HuggingFaceTokenizer(definition, end, start, template)


def read_chat_template(config: PrepareConfig) -> str | None:
    """Return the chat template that the experiment names, else that of the tokenizer; None if it has none.

    Raises:
        DataError: If a file cannot be read.
    """
    if path := config.instructions.chat_template:
        try:
            return read_regular(path).decode()
        except (OSError, ValueError) as error:
            raise DataError(f"prepare.instructions.chat_template = {path}: cannot be read: {error}") from None
    inside = _table(_read(config, _SETTINGS)).get("chat_template")
    if isinstance(inside, list):  # several, by name
        tables = cast("list[dict[str, object]]", inside)
        inside = next((table.get("template") for table in tables if table.get("name") == "default"), None)
    if isinstance(inside, str) and inside:
        return inside
    try:
        return _read(config, _TEMPLATE)
    except DataError:
        return None


def _table(settings: str) -> dict[str, object]:
    try:
        table: object = json.loads(settings)
    except ValueError:
        raise DataError(f"{_KEY}: {_SETTINGS} is not JSON") from None
    return cast("dict[str, object]", table) if isinstance(table, dict) else {}


def _token(value: object) -> str:
    """Return a token that is written as a string, or as a table with its content."""
    if isinstance(value, dict):
        value = cast("dict[str, object]", value).get("content")
    return value if isinstance(value, str) else ""


def _read(config: PrepareConfig, name: str) -> str:
    """Read a file of the tokenizer's folder.

    Raises:
        DataError: If there is none.
    """
    path = config.tokenizer_path
    if path is None:
        raise DataError(f'{_KEY}: missing, and tokenizer = "hf" needs it; name the folder of the model')
    local = is_local(path, _KEY)
    try:
        return read_regular(path / name if local else _from_hub(path, config, name)).decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        where = "" if local else "is not a folder, and on the hub its "
        raise DataError(f"{_KEY} = {path}: {where}{name} cannot be read: {reason}") from None


def _from_hub(path: Path, config: PrepareConfig, name: str) -> Path:
    # Imported lazily: only those who download wait for it.
    from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]  # typed in part

    return Path(hf_hub_download(path.as_posix(), name, revision=config.tokenizer_revision))


def _settings(config: PrepareConfig) -> list[str | int]:
    return [hashlib.sha256(_read(config, name).encode()).hexdigest() for name in (_DEFINITION, _SETTINGS)]


def _load(state: TokenizerState) -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer(state["definition"], state["end"], state["start"], state.get("template", ""))


tokenizers.register("hf")(
    TokenizerKind(train=lambda config, _: load_hugging_face_tokenizer(config), load=_load, settings=_settings)
)
