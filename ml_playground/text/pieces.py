"""A long text in pieces that byte pair encoding can take one by one.

Byte pair encoding does not take kindly to cuts: ``encode(a) + encode(b)`` is ``encode(a + b)`` only where no token
would have gone over the cut. The patterns by which GPT-2 and its successors split text into words never let one go over
a lone line feed that ends a line and is followed by a letter, digit or underscore, nor from a word into the single
space before the next one. Cut there, and only there, a text has the ids that it has in one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

SIZE = 1 << 16
LONGEST = 1 << 20
# Not a look-behind: it would see past the piece's beginning, or not, according to how the chunks were cut.
_SAFE = re.compile(r"\S(?:\n(?=\w)|(?= \w))")


def pieces(chunks: Iterable[bytes], size: int = SIZE, longest: int = LONGEST) -> Iterator[str]:
    """The same text, cut at such places into pieces of ``size`` characters and little more.

    Where the text has none for ``longest`` characters it is cut all the same, so that it need not fit in memory. Either
    way, the pieces do not depend on how the chunks, which are UTF-8, were cut.
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
