"""Text normalized to one line, and patterns for special lines of a protocol."""

from __future__ import annotations

import re
import unicodedata

CLOSING = re.compile(r"\(?Schlu(ss|ß)( der Sitzung)?: .*\bUhr\b")
"""Time at which the sitting ended, printed below the last words; it is not spoken."""

END_OF_SENTENCE = re.compile(r"[.!?:][“”\"'»)\]]*$")
ITEM = re.compile(r"Tagesordnung|Zusatzpunkt|Einzelplan|\bPunkte?\b")
"""Names of an agenda item."""
PAPER = re.compile(r"(auf )?Drucksachen? \d+/\d+((,| und)? (Nr\. )?\d+(/\d+)?)*")
"""Number of a printed paper, on a line of its own."""

# Soft hyphens, byte order marks and zero-width characters are invisible.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))


def one_line(text: str) -> str:
    """Collapse all whitespace, including line ends and non-breaking spaces, to single spaces, and normalize to NFC."""
    return " ".join(unicodedata.normalize("NFC", text.translate(_INVISIBLE)).split())


def closing_bracket(text: str) -> int:
    """Return the position after the parenthesis that closes the one at the start of the text, or 0 if there is none."""
    if not text.startswith("("):
        return 0
    depth = 0
    for position, character in enumerate(text, 1):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return position
    return 0
