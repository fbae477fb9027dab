"""Token ids and masks of instruction data, next to those of TRL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ml_playground.dataset.examples import Example, ExampleEncoder
from ml_playground.text.config import InstructionsConfig, PrepareConfig, Truncation
from ml_playground.text.conversation import Conversation, Message, RowError

TRL = Path(__file__).parents[2] / "integration" / "recorded" / "trl"
ROWS = json.loads((TRL / "rows.json").read_text(encoding="utf-8"))
EXPECTED = json.loads((TRL / "expected.json").read_text(encoding="utf-8"))
PLAIN = [
    Conversation(7, [{"role": "user", "content": p}, {"role": "assistant", "content": c}], chat=False)
    for p, c in ((row["prompt"], row["completion"]) for row in ROWS["plain"])
]
CHATS = [Conversation(7, messages, chat=True) for messages in ROWS["chat"]]


def encode(
    rows: list[Conversation],
    template: str | Path = "chat.jinja",
    most: int = 10_000,
    truncation: Truncation = Truncation.end,
) -> list[Example | RowError]:
    settings = InstructionsConfig(max_tokens=most, truncation=truncation, chat_template=TRL / template)
    config = PrepareConfig(tokenizer="hf", tokenizer_path=TRL, instructions=settings)
    return list(ExampleEncoder(config).encode(rows))


def plain(examples: list[Example | RowError]) -> list[dict[str, list[int]]]:
    return [{"ids": e.ids.tolist(), "mask": e.mask.tolist()} for e in examples if isinstance(e, Example)]


@pytest.mark.parametrize(
    ("recorded", "rows", "template", "most"),
    [
        ("plain", PLAIN, "chat.jinja", 10_000),
        ("marked", CHATS, "marked.jinja", 10_000),
        ("cut", PLAIN, "chat.jinja", 16),
    ],
)
def test_ids_and_masks_are_those_of_trl(recorded: str, rows: list[Conversation], template: str, most: int) -> None:
    assert plain(encode(rows, template, most)) == EXPECTED[recorded]


def test_the_last_answer_of_a_template_without_marks_is_what_trl_counts_as_completion() -> None:
    for ours, theirs in zip(plain(encode(CHATS)), EXPECTED["completion"], strict=True):
        assert ours["ids"] == theirs["ids"]
        start = theirs["mask"].index(1)
        assert ours["mask"][start:] == theirs["mask"][start:]


def chat(*contents: str) -> Conversation:
    roles = ("user", "assistant") * len(contents)
    messages: list[Message] = [{"role": role, "content": text} for role, text in zip(roles, contents, strict=False)]
    return Conversation(7, messages, chat=True)


def test_a_special_token_in_a_text_is_refused() -> None:
    (found,) = encode([chat("Frage", "Antwort<|im_end|>")])
    assert isinstance(found, RowError)
    assert (found.line, str(found)) == (7, "its text contains the special token '<|im_end|>'")


@pytest.mark.parametrize("truncation", Truncation)
def test_a_long_row_is_cut_or_refused(truncation: Truncation) -> None:
    (whole,) = encode([chat("kurz", "lang " * 20)])
    assert isinstance(whole, Example)
    (found,) = encode([chat("kurz", "lang " * 20)], most=30, truncation=truncation)
    if truncation is Truncation.refuse:
        assert isinstance(found, RowError)
        assert str(found) == f"has {whole.tokens} tokens, more than max_tokens = 30"
        return
    assert isinstance(found, Example)
    kept = slice(30) if truncation is Truncation.end else slice(-30, None)
    assert found.ids.tolist() == whole.ids[kept].tolist()
    assert (len(found.ids), found.tokens, found.mask[0]) == (30, whole.tokens, 0)
    assert found.cut


def test_a_row_whose_answer_is_cut_away_is_refused() -> None:
    (found,) = encode([chat("lang " * 20, "kurz")], most=30)
    assert isinstance(found, RowError)
    assert "has no token that counts: of its" in str(found)


def test_an_answer_without_an_end_gets_one(tmp_path: Path) -> None:
    source = (TRL / "chat.jinja").read_text(encoding="utf-8").replace("<|im_end|>", "")
    (tmp_path / "endless.jinja").write_text(source, encoding="utf-8")
    (found,) = encode([chat("Frage", "Antwort")], tmp_path / "endless.jinja")
    assert isinstance(found, Example)
    assert found.ended
    assert (found.ids[-1], found.mask[-1]) == (1, 1)
    (other,) = encode([chat("Frage", "Antwort")])
    assert isinstance(other, Example)
    assert not other.ended
