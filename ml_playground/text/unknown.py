"""The error for characters that are not in the vocabulary."""

from __future__ import annotations

from ml_playground.errors import DataError

_SHOWN = 10


def unknown(characters: set[str]) -> DataError:
    """Return the error to raise: one line that lists the characters with their code points."""
    names = [f"{character!r} (U+{ord(character):04X})" for character in sorted(characters)]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return DataError(f"not in the vocabulary: {', '.join(names[:_SHOWN])}{more}")


def encodable(text: str | bytes) -> str:
    """Return a text as a string that can be encoded in UTF-8, as byte-level tokenizers need it.

    Raises:
        DataError: If it has lone surrogates.
    """
    text = text if isinstance(text, str) else text.decode()
    try:
        text.encode()
    except UnicodeEncodeError:
        raise unknown(surrogates(text)) from None
    return text


def surrogates(text: str) -> set[str]:
    """Return the lone surrogates of a text: no byte-level vocabulary has them, as they cannot be encoded in UTF-8."""
    return {character for character in text if "\ud800" <= character <= "\udfff"}
