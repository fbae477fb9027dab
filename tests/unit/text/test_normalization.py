"""Texts in one form of Unicode."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from ml_playground.text.config import Normalization
from ml_playground.text.normalization import NormalizedSource
from ml_playground.text.source import TextInMemory


class InPieces(TextInMemory):
    def chunks(self) -> Iterator[bytes]:
        yield from (character.encode() for character in self.text)


TEXT = st.text(st.sampled_from("aeo\u0308\u0301\u00e4\u1100\u1161\n"))


@given(TEXT)
def test_a_text_in_pieces_is_normalized_as_a_whole(text: str) -> None:
    for form in ("NFC", "NFD"):
        source = NormalizedSource(InPieces("x", text), Normalization[form])
        assert b"".join(b"".join(chunks) for chunks in source.documents()).decode() == _normalized(form, text)


def _normalized(form: str, text: str) -> str:
    return unicodedata.normalize("NFC" if form == "NFC" else "NFD", text)


def test_the_form_is_part_of_the_fingerprint() -> None:
    source = TextInMemory("x", "abc")
    forms = {NormalizedSource(source, form).fingerprint for form in (Normalization.NFC, Normalization.NFD)}
    assert len(forms | {source.fingerprint}) == 3
