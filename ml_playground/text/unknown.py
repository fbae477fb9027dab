"""The error for characters that a vocabulary lacks."""

from __future__ import annotations

from ml_playground.errors import DataError

_SHOWN = 10


def unknown(characters: set[str]) -> DataError:
    """What to raise: one line that shows the characters, with their code points."""
    names = [f"{character!r} (U+{ord(character):04X})" for character in sorted(characters)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return DataError(f"not in the vocabulary: {', '.join(names[:_SHOWN])}{more}")


def surrogates(text: str) -> set[str]:
    """The lone surrogates of a text: what a byte-level vocabulary lacks, for they have no bytes in UTF-8."""
    return {character for character in text if "\ud800" <= character <= "\udfff"}
