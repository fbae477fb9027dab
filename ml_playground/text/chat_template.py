"""Chat templates of Hugging Face: how a model wants to see the turns of a chat."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from ml_playground.errors import DataError, first_line
from ml_playground.text.conversation import Message

_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_PROBE: list[Message] = [{"role": "user", "content": "?"}]


@dataclass(frozen=True)
class MarkedText:
    """A text whose answers are marked, by the positions of their first and after their last character."""

    text: str
    answers: list[tuple[int, int]]
    unmarked: int = 0
    """Answers that cannot be marked, because the template changes them once another turn follows."""


class ChatTemplate:
    """A template in Jinja, run in its sandbox by transformers."""

    def __init__(self, source: str, tokens: Mapping[str, str]) -> None:
        """Compile a template.

        Args:
            source: The template.
            tokens: Special tokens that it may use, such as ``bos_token``.

        Raises:
            DataError: If it does not work, or has no prompt for the answer.
        """
        self._source, self._tokens = source, dict(tokens)
        self._marks_answers = bool(_GENERATION.search(source))
        if self.render(_PROBE, prompt=True) == self.render(_PROBE):
            raise DataError(
                "the chat template has no generation prompt: add_generation_prompt changes nothing, so the answer has"
                " no beginning; add one to the template, as in {% if add_generation_prompt %}<|assistant|>{% endif %}"
            )

    def render(self, messages: Sequence[Message], *, prompt: bool = False) -> str:
        """Return a chat as the model sees it, with ``prompt`` up to where its answer begins.

        Raises:
            DataError: If the template refuses the messages, or has an error.
        """
        return self._render(messages, prompt=prompt, marked=False).text

    def mark(self, messages: Sequence[Message]) -> MarkedText:
        """Return a chat with its answers marked.

        These are what the template itself marks (``{% generation %}``), or else what each message of the assistant adds
        to the chat before it with a generation prompt. Some templates render an answer differently once another turn
        follows: such an answer is left unmarked.

        Raises:
            DataError: If the template refuses the messages, or no answer can be marked.
        """
        if self._marks_answers:
            return self._render(messages, prompt=False, marked=True)
        whole, answers = self.render(messages), list[tuple[int, int]]()
        places = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
        for place in places:
            before, after = self.render(messages[:place], prompt=True), self.render(messages[: place + 1])
            if after.startswith(before) and whole.startswith(after):
                answers.append((len(before), len(after)))
        if not answers:
            raise DataError(
                "the chat template does not continue its own generation prompt, so no answer can be marked; mark them"
                " with {% generation %} in the template"
            )
        return MarkedText(whole, answers, len(places) - len(answers))

    def _render(self, messages: Sequence[Message], *, prompt: bool, marked: bool) -> MarkedText:
        # Imported lazily because it takes a second, which only chats need.
        from jinja2 import TemplateError
        from transformers.utils import chat_template_utils

        # Its annotation is not what it returns: texts, and positions of the answers.
        render = cast(
            "Callable[..., tuple[list[str], list[list[tuple[int, int]]]]]", chat_template_utils.render_jinja_template
        )
        try:
            texts, marks = render(
                [[*messages]],
                chat_template=self._source,
                return_assistant_tokens_mask=marked,
                add_generation_prompt=prompt,
                **self._tokens,
            )
        except (TemplateError, TypeError, ValueError) as error:
            raise DataError(f"the chat template fails: {first_line(error)}") from None
        return MarkedText(texts[0], marks[0] if marked else [])
