from __future__ import annotations

import numpy as np
import pytest

from ml_playground.errors import DataError
from ml_playground.text.char import CharTokenizer
from ml_playground.text.tokenizer import load_tokenizer
from tests.unit.text.conftest import utf8


def test_ids_are_places_in_code_point_order() -> None:
    assert CharTokenizer.train([utf8("zebra ä")]).encode(" abä").tolist() == [0, 1, 2, 6]


def test_every_character_is_a_token_and_so_is_the_end_of_a_text() -> None:
    tokenizer = CharTokenizer.train([utf8("abba")])
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (3, 2)
    assert tokenizer.encode("abba").tolist() == [0, 1, 1, 0]


def test_ids_are_16_bits_wide_where_they_fit_and_32_where_not() -> None:
    assert CharTokenizer.train([utf8("abc")]).encode("a").dtype == np.uint16
    everything = "".join(chr(point) for point in range(0x20000) if not 0xD800 <= point < 0xE000)
    ids = CharTokenizer.train([utf8(everything)]).encode(everything)
    assert ids.dtype == np.uint32
    assert ids.tolist() == list(range(len(everything)))


def test_many_unknown_characters_are_counted() -> None:
    with pytest.raises(DataError, match="and 16 more"):
        CharTokenizer.train([utf8("0")]).encode("abcdefghijklmnopqrstuvwxyz")


def test_a_vocabulary_of_old_has_no_end_of_text() -> None:
    tokenizer = load_tokenizer({"kind": "char", "characters": "ab"})
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (2, None)
    assert tokenizer.state == {"kind": "char", "characters": "ab"}
    with pytest.raises(DataError):
        tokenizer.encode("abc")


def test_a_vocabulary_in_any_order_keeps_its_ids() -> None:
    tokenizer = CharTokenizer("ñz„a😀")
    assert tokenizer.encode("a„z😀ña").tolist() == [3, 2, 1, 4, 0, 3]
    assert tokenizer.decode([3, 2, 1, 4, 0, 3, 5]) == "a„z😀ña<|endoftext|>"


@pytest.mark.parametrize("size", [255, 256, 65_534, 65_535, 65_536])
def test_the_mark_of_unknown_characters_is_no_id(size: int) -> None:
    characters = "".join([chr(point) for point in range(0x10, 0x11000) if not 0xD800 <= point < 0xE000][:size])
    tokenizer = CharTokenizer(characters)
    assert tokenizer.encode(characters).tolist() == list(range(size))
    with pytest.raises(DataError, match="U\\+0001"):
        tokenizer.encode("\x01")
