"""Rejoin words that were hyphenated at line ends."""

from __future__ import annotations

import re
from collections.abc import Collection

# "Wirtschafts- und Finanzpolitik": before these words a hyphen replaces the rest of the compound, ...
_CONJUNCTIONS = frozenset(["und", "oder", "sowie", "bzw", "beziehungsweise", "noch", "wie", "als", "bis"])
# ... unless both parts together form a word.
_NO_CONJUNCTIONS = frozenset(["dennoch", "sowie", "cannabis"])
# Words in capitals that are not abbreviations, and so are hyphenated like others.
_CAPITALS = frozenset(["LINKE", "LINKEN", "GRÜNE", "GRÜNEN", "BÜNDNIS", "BÜNDNISSES", "PARTEILOS"])

# Only this many characters at the end of a line are searched for its last word.
_LONGEST_WORD = 80
_TORN = re.compile(r"(\w[\w-]*)-$")
_SLASH = re.compile(r"\w/$")
_WORD = re.compile(r"\w[\w-]*")
_TORN_IN_LINE = re.compile(r"(?<!\S)(\w[\w-]*)- ([a-zäöüß]+)")
_TORN_SLASH = re.compile(r"(?<=\w)/ (?=[A-ZÄÖÜ])")


def join(line: str, following: str, hyphenated: Collection[str] = frozenset()) -> str:
    """Join two lines; a word hyphenated across them becomes one word, and real hyphens are kept.

    Args:
        line: The line, possibly with a hyphen at its end.
        following: The next line.
        hyphenated: Words known to have a real hyphen, such as ``deutsch-indische``.
    """
    end = line[-_LONGEST_WORD:]
    torn, rest = _TORN.search(end), _WORD.match(following)
    if torn and rest:
        return line.removesuffix(torn[0]) + _word(torn[1], rest[0], hyphenated) + following[rest.end() :]
    # CDU/CSU and BÜNDNIS 90/DIE GRÜNEN are broken without a hyphen.
    blank = "" if not line or _SLASH.search(end) else " "
    return f"{line}{blank}{following}"


def dehyphenate(line: str) -> str:
    """Rejoin words that were joined with a space: ``be- stätigen``, ``BÜNDNIS 90/ DIE GRÜNEN``."""
    return _TORN_SLASH.sub("/", _TORN_IN_LINE.sub(lambda found: _word(found[1], found[2], frozenset()), line))


def _word(left: str, right: str, hyphenated: Collection[str]) -> str:
    if right in _CONJUNCTIONS and (left + right).lower() not in _NO_CONJUNCTIONS:
        return f"{left}- {right}"
    if left + right in _CAPITALS:
        return left + right
    # Baden-Württemberg, 60-jährig, EU-weit: a broken word is not a number or abbreviation, and continues in lower case.
    real = not right[0].islower() or left[-1].isdigit() or (len(left) > 1 and left[-1].isupper())
    return f"{left}-{right}" if real or f"{left}-{right}" in hyphenated else left + right
