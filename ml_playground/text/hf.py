"""The tokenizer of a Hugging Face model, as its ``tokenizer.json`` has it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

from tokenizers import Tokenizer

from ml_playground.durable import read_regular
from ml_playground.errors import DataError
from ml_playground.text.config import PrepareConfig
from ml_playground.text.ids import TokenIds, token_ids
from ml_playground.text.tokenizer import TokenizerKind, TokenizerState, tokenizers
from ml_playground.text.unknown import encodable

_KEY = "prepare.tokenizer_path"
_DEFINITION, _SETTINGS = "tokenizer.json", "tokenizer_config.json"


class HuggingFaceTokenizer:
    """Encodes text without special tokens; documents are separated by the model's end-of-sequence token.

    The state is the whole tokenizer, so that a checkpoint can be sampled without the model's folder.
    """

    def __init__(self, definition: str, end: str, start: str) -> None:
        """Load a tokenizer.

        Args:
            definition: Content of a ``tokenizer.json``.
            end: The end-of-sequence token.
            start: The beginning-of-sequence token; empty if there is none.

        Raises:
            DataError: If the definition cannot be used, or lacks the end-of-sequence token.
        """
        try:
            self._tokenizer = Tokenizer.from_str(definition)
        except Exception as error:  # noqa: BLE001  # the library raises nothing more specific
            raise DataError(f"{_DEFINITION} cannot be read: {str(error).splitlines()[0]}") from None
        self._tokenizer.encode_special_tokens = True  # what looks like a special token in a text is plain text
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._end, self._start = end, start
        self.end_of_text = self._tokenizer.token_to_id(end)
        self.start_of_text = self._tokenizer.token_to_id(start) if start else None
        if self.end_of_text is None:
            raise DataError(f"{_DEFINITION} has no end-of-sequence token {end!r}")

    @property
    def vocab_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def state(self) -> dict[str, str]:
        return {"kind": "hf", "definition": self._tokenizer.to_str(), "end": self._end, "start": self._start}

    def encode(self, text: str | bytes) -> TokenIds:
        # Of the encode methods, only those for batches release the GIL.
        (encoding,) = self._tokenizer.encode_batch_fast([encodable(text)], add_special_tokens=False)
        return token_ids(encoding.ids, self.vocab_size)

    def cut(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        # Whole: not every tokenizer treats a text like the sum of its parts.
        yield b"".join(chunks)

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True)


def _train(config: PrepareConfig) -> HuggingFaceTokenizer:
    definition, settings = (_read(config, name) for name in (_DEFINITION, _SETTINGS))
    try:
        table: object = json.loads(settings)
    except ValueError:
        raise DataError(f"{_KEY}: {_SETTINGS} is not JSON") from None
    names = cast("dict[str, object]", table) if isinstance(table, dict) else {}
    end, start = (_token(names.get(name)) for name in ("eos_token", "bos_token"))
    if not end:
        raise DataError(f"{_KEY}: {_SETTINGS} names no eos_token, which separates documents")
    return HuggingFaceTokenizer(definition, end, start)


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
    try:
        return read_regular(path / name if path.is_dir() else _from_hub(path, config, name)).decode()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise DataError(f"{_KEY} = {path}: {name} cannot be read: {reason}") from None


def _from_hub(path: Path, config: PrepareConfig, name: str) -> Path:
    # Imported lazily: only those who download wait for it.
    from huggingface_hub import hf_hub_download  # pyright: ignore[reportUnknownVariableType]  # typed in part

    return Path(hf_hub_download(path.as_posix(), name, revision=config.tokenizer_revision))


def _settings(config: PrepareConfig) -> list[str | int]:
    return [hashlib.sha256(_read(config, name).encode()).hexdigest() for name in (_DEFINITION, _SETTINGS)]


def _load(state: TokenizerState) -> HuggingFaceTokenizer:
    return HuggingFaceTokenizer(state["definition"], state["end"], state["start"])


tokenizers.register("hf")(TokenizerKind(train=lambda config, _: _train(config), load=_load, settings=_settings))
