from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml_playground.errors import DataError
from ml_playground.text.config import Normalization
from ml_playground.text.conversation import Conversation, ConversationFile, RowError


def turn(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


def read(path: Path, *lines: object, normalize: Normalization = Normalization.none) -> list[Conversation | RowError]:
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\r\n".join(texts), encoding="utf-8")
    return list(ConversationFile(path, normalize).rows())


def test_both_forms_are_read_with_their_lines(tmp_path: Path) -> None:
    chat = {"messages": [turn("system", "s"), turn("user", "a\u2028b"), turn("assistant", "c")], "id": 7}
    first, second = read(tmp_path / "x.jsonl", {"prompt": "", "completion": " c"}, "", chat)
    assert isinstance(first, Conversation)
    assert isinstance(second, Conversation)
    assert (first.line, first.chat, first.text) == (1, False, "\n c")
    assert (second.line, second.chat, second.text) == (3, True, "s\na\u2028b\nc")


def test_contents_are_normalized(tmp_path: Path) -> None:
    row = {"prompt": "a\u0308", "completion": "u\u0308"}
    (found,) = read(tmp_path / "x.jsonl", row, normalize=Normalization.NFC)
    assert isinstance(found, Conversation)
    assert found.text == "ä\nü"
    both = {ConversationFile(tmp_path / "x.jsonl", form).fingerprint for form in Normalization}
    assert len(both) == len(Normalization)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at column 2"),
        ("[" * 100_000, "is not JSON: "),
        ("[]", 'is not a JSON object; it needs "messages", or "prompt" and "completion" as strings'),
        ({"text": "a"}, 'has the keys text; it needs "messages"'),
        ({}, "has no keys"),
        ({"prompt": 1, "completion": "a"}, "has the keys completion, prompt; it needs"),
        ({"prompt": "a", "completion": " \n"}, "its answer is empty"),
        ({"prompt": "a", "completion": "\ud800"}, r"has half a surrogate pair, '\ud800', which is no character"),
        ({"messages": []}, "has no answer"),
        ({"messages": "a"}, "has no answer"),
        ({"messages": [turn("user", "a")]}, "has no answer: its last message is not of 'assistant'"),
        ({"messages": [turn("user", "a"), turn("assistant", "")]}, "its answer is empty"),
        ({"messages": [turn("user", ["a"])]}, 'message 1 has no "role" and "content" as strings'),
        ({"messages": [turn("assistant", "a")]}, "message 1 is of 'assistant', where one of 'user' belongs"),
        ({"messages": [turn("user", "a"), turn("user", "b")]}, "message 2 is of 'user', where one of 'assistant'"),
        ({"messages": [turn("user", "a"), turn("system", "b")]}, "message 2 is of 'system', where one of 'assistant'"),
        ({"messages": [turn("tool", "a")]}, "message 1 is of 'tool', where one of 'user' belongs"),
    ],
    ids=str,
)  # fmt: skip
def test_a_row_that_cannot_be_trained_on_is_named(tmp_path: Path, row: object, problem: str) -> None:
    text = row if isinstance(row, str) else json.dumps(row)
    good = {"prompt": "a", "completion": "b"}
    before, found, after = read(tmp_path / "x.jsonl", good, text, good)
    assert isinstance(before, Conversation)
    assert isinstance(after, Conversation)
    assert isinstance(found, RowError)
    assert found.line == 2
    assert problem in str(found)
    assert "\n" not in str(found)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"prompt"\0')
    with pytest.raises(DataError, match="is NUL"):
        list(ConversationFile(tmp_path / "x.jsonl").rows())
