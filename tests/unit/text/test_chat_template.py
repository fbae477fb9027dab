from __future__ import annotations

import pytest

from ml_playground.errors import DataError
from ml_playground.text.chat_template import ChatTemplate
from ml_playground.text.conversation import Message

TURN = "<{{ m.role }}>{{ m.content }}</>"
PROMPT = "{% if add_generation_prompt %}<assistant>{% endif %}"
PLAIN = "{{ bos_token }}{% for m in messages %}" + TURN + "{% endfor %}" + PROMPT
MARKED = (
    "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' %}{% generation %}{{ m.content }}</>"
    "{% endgeneration %}{% else %}{{ m.content }}</>{% endif %}{% endfor %}" + PROMPT
)
# As Qwen3's: an answer has its thoughts only while it is the last.
THINKING = (
    "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and loop.last %}(){% endif %}{{ m.content }}</>"
    "{% endfor %}" + PROMPT
)
CHAT: list[Message] = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "c"},
    {"role": "assistant", "content": "d"},
]


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, {"bos_token": "^", "eos_token": "$"})


@pytest.mark.parametrize(
    ("source", "answers", "unmarked"),
    [(PLAIN, ["b</>", "d</>"], 0), (MARKED, ["b</>", "d</>"], 0), (THINKING, ["()d</>"], 1)],
)  # fmt: skip
def test_answers_are_marked(source: str, answers: list[str], unmarked: int) -> None:
    marked = template(source).mark(CHAT)
    assert marked.text == template(source).render(CHAT)
    assert [marked.text[first:last] for first, last in marked.answers] == answers
    assert marked.unmarked == unmarked


def test_a_prompt_ends_where_the_answer_begins() -> None:
    assert template(PLAIN).render(CHAT[:1], prompt=True) == "^<user>a</><assistant>"


def test_a_template_without_a_generation_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="has no generation prompt: add_generation_prompt changes nothing"):
        template("{% for m in messages %}" + TURN + "{% endfor %}")


def test_a_template_that_does_not_continue_its_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="does not continue its own generation prompt"):
        template(PLAIN.replace("<assistant>", "<bot>")).mark(CHAT)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("{% for m in %}", "the chat template fails: "),
        ("{{ raise_exception('only\nusers') }}", "the chat template fails: only$"),
        ("{{ messages.nothing.more }}", "the chat template fails: "),
        ("{{ messages.__class__.__mro__ }}", "the chat template fails: "),
    ],
)
def test_a_template_that_fails_is_refused_in_one_line(source: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as error:
        template(source)
    assert "\n" not in str(error.value)
