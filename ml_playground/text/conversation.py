"""Instruction data: prompts with the answers that a model is to give, one JSON object per line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ml_playground.errors import DataError
from ml_playground.text.config import Normalization
from ml_playground.text.normalization import normalized
from ml_playground.text.source import TextFile
from ml_playground.text.unknown import surrogates

Message = dict[str, str]
"""A turn of a chat: ``role`` and ``content``."""
_FORMS = 'it needs "messages", or "prompt" and "completion" as strings'


@dataclass(frozen=True)
class Conversation:
    """One row of instruction data."""

    line: int
    """Line in the file, from 1."""
    messages: list[Message]
    """Turns of a user and an assistant in alternation, perhaps after a system message."""
    chat: bool
    """Whether the row is a chat, to be rendered by the model's template, or a prompt and its completion as they are."""

    @property
    def text(self) -> str:
        """All contents, for counting and comparing."""
        return "\n".join(message["content"] for message in self.messages)


class RowError(DataError):
    """A row that cannot be trained on."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line


@dataclass(frozen=True)
class ConversationFile:
    """A file of JSON lines with ``messages`` (``role`` and ``content`` each), or with ``prompt`` and ``completion``."""

    path: Path
    normalize: Normalization = Normalization.none

    @property
    def description(self) -> str:
        return f"{self.path} (JSON lines)"

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(f"{self.normalize.name} {TextFile(self.path).fingerprint}".encode()).hexdigest()

    def rows(self) -> Iterator[Conversation | RowError]:
        """Yield the rows in order, those that cannot be trained on as an error; blank lines are skipped.

        Raises:
            DataError: If the file cannot be read.
        """
        for number, line in enumerate(self._lines(), 1):
            if line.strip():
                try:
                    yield _conversation(number, line, self.normalize)
                except RowError as error:
                    yield error

    def _lines(self) -> Iterator[bytes]:
        rest = b""
        for chunk in TextFile(self.path).chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        yield rest


def _conversation(number: int, line: bytes, normalize: Normalization) -> Conversation:
    try:
        row: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        where = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else error
        raise RowError(number, f"is not JSON: {reason}{where}") from None
    if not isinstance(row, dict):
        raise RowError(number, f"is not a JSON object; {_FORMS}")
    table = cast("dict[str, object]", row)
    chat = "messages" in table
    messages = _messages(number, table["messages"]) if chat else _pair(number, table)
    for message in messages:
        if lone := surrogates(message["content"]):
            raise RowError(number, f"has half a surrogate pair, {min(lone)!a}, which is no character")
        message["content"] = normalized(message["content"], normalize)
    if not all(message["content"].strip() for message in messages if message["role"] == "assistant"):
        raise RowError(number, "its answer is empty")
    return Conversation(number, messages, chat)


def _pair(number: int, table: dict[str, object]) -> list[Message]:
    prompt, completion = table.get("prompt"), table.get("completion")
    if not isinstance(prompt, str) or not isinstance(completion, str):
        keys = f"the keys {', '.join(sorted(table))}" if table else "no keys"
        raise RowError(number, f"has {keys}; {_FORMS}")
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": completion}]


def _messages(number: int, value: object) -> list[Message]:
    """Check the turns of a chat, whose order every template requires."""
    turns = cast("list[object]", value) if isinstance(value, list) else []
    messages: list[Message] = []
    for place, turn in enumerate(turns, 1):
        table = cast("dict[str, object]", turn) if isinstance(turn, dict) else {}
        role, content = table.get("role"), table.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise RowError(number, f'message {place} has no "role" and "content" as strings')
        expected = "assistant" if messages and messages[-1]["role"] == "user" else "user"
        if role != expected and not (role == "system" and place == 1):
            raise RowError(number, f"message {place} is of {role!r}, where one of {expected!r} belongs")
        messages.append({"role": role, "content": content})
    if not messages or messages[-1]["role"] != "assistant":
        raise RowError(number, "has no answer: its last message is not of 'assistant'")
    return messages
