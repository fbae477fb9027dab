"""The prompt that samples continue."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from ml_playground.durable import read_regular
from ml_playground.errors import DataError
from ml_playground.text.tokenizer import Tokenizer, is_chat

_FROM_FILE = "FILE:"
_KEY = "sample.sample.start"


def read_prompt(start: str) -> str:
    r"""Return the prompt given by ``start``, or read it from a file given as ``FILE:path``, as in nanoGPT.

    Line endings are converted to ``\n``, as in training text.

    Raises:
        DataError: If the file cannot be read, or is empty.
    """
    text = _read(Path(start.removeprefix(_FROM_FILE))) if start.startswith(_FROM_FILE) else start
    if start and not text:
        raise DataError(f"{_KEY}: {start} is empty; give at least one character to continue")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def encode_prompt(prompt: str, tokenizer: Tokenizer) -> list[int]:
    """Encode a prompt into token ids; where the data were chats, as a user's turn that is to be answered.

    Raises:
        DataError: If it is empty and the vocabulary has no start-of-text token, or lacks some of its characters.
    """
    start = [] if tokenizer.start_of_text is None else [tokenizer.start_of_text]
    if not prompt and (not start or is_chat(tokenizer)):
        raise DataError(f"{_KEY}: is empty; give at least one character to continue")
    try:
        if is_chat(tokenizer):
            return [int(token) for token in tokenizer.encode_turn(prompt)]
        return [*start, *(int(token) for token in tokenizer.encode(prompt))]
    except DataError as error:
        raise DataError(f"{_KEY}: {error}; {_fix(prompt, tokenizer)}") from None


def displayed(prompt: str, tokenizer: Tokenizer) -> str:
    """Return a prompt as it stands before a sample: a chat's answer begins in a paragraph of its own."""
    return f"{prompt}\n\n" if is_chat(tokenizer) else prompt


def _read(path: Path) -> str:
    path = path.expanduser()
    try:
        return read_regular(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{_KEY}: {path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{_KEY}: {path}: cannot be read: {reason}") from None


def _fix(prompt: str, tokenizer: Tokenizer) -> str:
    """Suggest a fix for characters missing from the vocabulary: Unicode has two forms of accented characters."""
    for form, kind in (("NFC", "composed"), ("NFD", "decomposed")):
        other = unicodedata.normalize("NFC" if form == "NFC" else "NFD", prompt)
        if other != prompt:
            try:
                tokenizer.encode(other)
            except DataError:
                continue
            return (
                f"the training text has them {kind} (Unicode {form}); write the prompt in that form, or prepare the"
                ' text anew with [prepare] normalize = "NFC"'
            )
    return "use characters of the training text"
