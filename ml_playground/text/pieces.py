"""Split a long text into pieces that byte pair encoding can encode one by one.

Byte pair encoding is sensitive to where a text is split: ``encode(a) + encode(b)`` equals ``encode(a + b)`` only if no
token would have crossed the boundary. The patterns with which GPT-2 and its successors split text into words never
match across a single line feed that ends a line and is followed by a letter, digit or underscore, nor from a word into
the single space before the next one. Split only at these places, a text has the same ids as in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SIZE = 1 << 16
LONGEST = 1 << 20
# Not a look-behind: whether it sees past the start of the piece would depend on the chunk boundaries.
_SAFE = re.compile(r"\S(?:\n(?=\w)|(?= \w))")


def pieces(chunks: Iterable[bytes], size: int = SIZE, longest: int = LONGEST) -> Iterator[str]:
    """Split the text at such places into pieces of ``size`` characters or slightly more.

    A text without such a place for ``longest`` characters is split anyway, so that it does not have to fit in memory.
    Either way, the pieces do not depend on the boundaries of the chunks, which are UTF-8.
    """
    rest = ""
    for chunk in chunks:
        rest += chunk.decode()
        start = 0
        while len(rest) - start > size:
            if place := _SAFE.search(rest, start + max(size - 2, 0), start + longest):
                end = place.end()
            elif len(rest) - start >= longest:
                end = start + longest
            else:
                break
            yield rest[start:end]
            start = end
        rest = rest[start:]
    if rest:
        yield rest
