"""Text as one line, and the line that ends a sitting."""

from __future__ import annotations

import re
import unicodedata

CLOSING = re.compile(r"\(?Schlu(ss|ß)( der Sitzung)?: .*\bUhr\b")
"""The time at which the sitting ended, printed below the last words: nobody says it."""

# Soft hyphens, byte order marks and zero-width characters print nothing.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))


def one_line(text: str) -> str:
    """The text with every run of blanks, line ends and non-breaking spaces as one space, umlauts as one character."""
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())
