from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ml_playground.sampling.streaming import TextStream


class Utf8Bytes:
    """A tokenizer of bytes, as the smallest case of tokens that are parts of characters."""

    vocab_size = 257
    end_of_text = 256

    def encode(self, text: str) -> None:
        raise NotImplementedError(text)

    def decode(self, ids: list[int]) -> str:
        return bytes(ids).decode("utf-8", errors="replace")


def stream(data: Sequence[int], stop: list[str]) -> tuple[TextStream, list[str]]:
    """The stream at its end, and its text after each byte."""
    found = TextStream(Utf8Bytes(), stop)  # type: ignore[arg-type]  # only decode() is used
    texts: list[str] = []
    for token in data:
        found.push(token)
        texts.append(found.text)
    found.finish()
    return found, texts


@given(st.text())
def test_text_streams_in_whole_characters(text: str) -> None:
    data = text.encode("utf-8", errors="replace")
    found, texts = stream(data, [])
    assert found.text == data.decode()
    assert found.done
    assert all(found.text.startswith(shown) for shown in texts)


def test_a_broken_character_is_shown_as_one() -> None:
    assert stream(b"a\xe2\x82", [])[0].text == "a\N{REPLACEMENT CHARACTER}"
    assert stream(b"\xff" * 7 + b"b", [])[0].text == "\N{REPLACEMENT CHARACTER}" * 7 + "b"


letters = st.text(alphabet="abä\n", max_size=30)
stops = st.lists(st.text(alphabet="abä\n", min_size=1, max_size=4), max_size=3)


@given(letters, stops)
def test_the_text_ends_before_the_first_stop_string_and_what_is_shown_stays(text: str, stop: list[str]) -> None:
    found, texts = stream(text.encode(), stop)
    # The first to be complete counts, and of those the one that begins first.
    ends = [
        min((text[:end].find(one) for one in stop if one in text[:end]), default=-1) for end in range(len(text) + 1)
    ]
    first = next((end for end in ends if end >= 0), len(text))
    assert found.text == text[:first]
    assert all(found.text.startswith(shown) for shown in texts)


def test_text_that_may_begin_a_stop_string_waits_until_it_does_not() -> None:
    _, texts = stream(b"one\n\ttwo\n\nthree", ["\n\n"])
    assert texts[:5] == ["o", "on", "one", "one", "one\n\t"]
    assert texts[-1] == "one\n\ttwo"


def test_what_was_held_back_at_the_end_is_text() -> None:
    found, texts = stream(b"end\n", ["\n\n"])
    assert (texts[-1], found.text) == ("end", "end\n")


def test_the_end_of_text_ends_it() -> None:
    found, texts = stream([*b"a\n", 256, *b"b"], ["\n\n"])
    assert texts == ["a", "a", "a\n", "a\n"]
    assert found.done


def test_after_a_stop_string_nothing_is_added() -> None:
    found, texts = stream("Ü ENDE mehr".encode(), ["ENDE", "mehr"])
    assert found.text == texts[-1] == "Ü "
