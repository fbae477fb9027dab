"""Text as one line, and the line that ends a sitting."""

from __future__ import annotations

import re
import unicodedata

CLOSING = re.compile(r"\(?Schlu(ss|ß)( der Sitzung)?: .*\bUhr\b")
"""The time at which the sitting ended, printed below the last words: nobody says it."""

END_OF_SENTENCE = re.compile(r"[.!?:][“”\"'»)\]]*$")
ITEM = re.compile(r"Tagesordnung|Zusatzpunkt|Einzelplan|\bPunkte?\b")
"""What an item of the agenda is called."""
PAPER = re.compile(r"(auf )?Drucksachen? \d+/\d+((,| und)? (Nr\. )?\d+(/\d+)?)*")
"""The number of a printed paper, on a line of its own."""

# Soft hyphens, byte order marks and zero-width characters print nothing.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))


def one_line(text: str) -> str:
    """The text with every run of blanks, line ends and non-breaking spaces as one space, umlauts as one character."""
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())


def closing_bracket(text: str) -> int:
    """The position behind the bracket that closes the first character, which is one; 0 if none does."""
    if not text.startswith("("):
        return 0
    depth = 0
    for position, character in enumerate(text, 1):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position
    return 0
