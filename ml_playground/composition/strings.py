r"""Strings of users on their way through OmegaConf, whose grammar gives some of them a meaning.

In a file ``${a.b}`` stands for another value and ``\${`` for itself; backslashes count nowhere else. What has no
reference in it must come out as it went in, so that ``???`` (OmegaConf's missing value) is a text as well.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import cast

_OPENING = re.compile(r"(\\*)\$\{")
# Of the private use area; a user's own are encoded, too.
_START, _END = "\ue000", "\ue001"
_ENCODED = re.compile(f"{_START}([0-9a-f]*){_END}")


def is_reference(value: object) -> bool:
    """Whether a value of a file stands for another one, as in ``"${train.runtime.max_iters}"``."""
    return isinstance(value, str) and any(len(match[1]) % 2 == 0 for match in _OPENING.finditer(value))


def literal(text: str) -> str:
    """The text that a string without a reference stands for."""
    return _OPENING.sub(lambda match: f"{match[1][: len(match[1]) // 2]}${{", text)


def escape(text: str) -> str:
    """How a file says a text: the inverse of :func:`literal`."""
    return _OPENING.sub(lambda match: rf"{match[1] * 2}\${{", text)


def encode(text: str) -> str:
    """A text as OmegaConf keeps it, also in the middle of what refers to it."""
    if text != "???" and not re.search(f"[${_START}{_END}]", text):
        return text
    return f"{_START}{text.encode('utf-8', 'surrogatepass').hex()}{_END}"


def decode(text: str) -> str:
    """The text again, wherever it was encoded."""
    return _ENCODED.sub(lambda match: bytes.fromhex(match[1]).decode("utf-8", "surrogatepass"), text)


def shielded(value: object) -> object:
    """A value of a file with every text in it encoded; references stay."""
    if isinstance(value, str):
        return value if is_reference(value) else encode(literal(value))
    if isinstance(value, list):
        return [shielded(item) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        return {key: shielded(item) for key, item in cast("dict[str, object]", value).items()}
    return value


def decoded(value: object) -> object:
    """A value with every text in it decoded, tables changed in place."""
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
    """Whether a text can be written in UTF-8, which names of files need not be."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
