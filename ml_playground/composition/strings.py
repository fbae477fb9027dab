r"""Protect user strings from OmegaConf, whose grammar gives some of them a special meaning.

In a file, ``${a.b}`` refers to another value and ``\${`` is a literal ``${``; backslashes have no other meaning.
Strings without a reference must be preserved exactly, so that ``???`` (OmegaConf's missing value) is plain text, too.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import cast

_OPENING = re.compile(r"(\\*)\$\{")
# From the private use area; texts that contain these characters are encoded, too.
_START, _END = "\ue000", "\ue001"
_ENCODED = re.compile(f"{_START}([0-9a-f]*){_END}")


def is_reference(value: object) -> bool:
    """Return whether a value of a file is an interpolation, as in ``"${train.runtime.max_iters}"``."""
    return isinstance(value, str) and any(len(match[1]) % 2 == 0 for match in _OPENING.finditer(value))


def literal(text: str) -> str:
    """Return the text that a string without interpolations represents."""
    return _OPENING.sub(lambda match: f"{match[1][: len(match[1]) // 2]}${{", text)


def escape(text: str) -> str:
    """Return a text as written in a file: the inverse of :func:`literal`."""
    return _OPENING.sub(lambda match: rf"{match[1] * 2}\${{", text)


def encode(text: str) -> str:
    """Encode a text so that OmegaConf preserves it, even inside a string that refers to it."""
    if text != "???" and not re.search(f"[${_START}{_END}]", text):
        return text
    return f"{_START}{text.encode('utf-8', 'surrogatepass').hex()}{_END}"


def decode(text: str) -> str:
    """Decode a text that contains encoded parts."""
    return _ENCODED.sub(lambda match: bytes.fromhex(match[1]).decode("utf-8", "surrogatepass"), text)


def shielded(value: object) -> object:
    """Encode all texts in a value of a file, except for interpolations."""
    if isinstance(value, str):
        return value if is_reference(value) else encode(literal(value))
    if isinstance(value, list):
        return [shielded(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: shielded(item) for key, item in cast("dict[str, object]", value).items()}
    return value


def decoded(value: object) -> object:
    """Decode all texts in a value; dataclass instances are changed in place."""
    if isinstance(value, str):
        return decode(value)
    if isinstance(value, Path):
        return Path(decode(str(value)))
    if isinstance(value, list):
        return [decoded(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: decoded(item) for key, item in cast("dict[str, object]", value).items()}
    if is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            setattr(value, field.name, decoded(getattr(value, field.name)))
    return value


def is_unicode(text: str) -> bool:
    """Return whether a text can be encoded in UTF-8, which is not guaranteed for file names."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
