"""Paths as users write them: ``~``, ``$VAR``, and invalid ones."""

from __future__ import annotations

import os
import re

# "${" starts an interpolation.
_VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*))")
_LONGEST_NAME = 255
"""Bytes; the limit of all common file systems."""


def expand_path(text: str) -> str:
    """Return the path with ``~`` and ``$VAR`` expanded; ``$$`` is a literal dollar sign.

    Raises:
        ValueError: it is not a valid path; the message says why, and how to fix it.
    """
    if not text.strip():
        raise ValueError("is empty; name a file or folder, or remove the key")
    if "\0" in text:
        raise ValueError("has the character NUL, which no path can have; remove it")
    expanded = _VARIABLE.sub(_value, text)
    if expanded.startswith("~"):
        home = os.path.expanduser(expanded)  # noqa: PTH111  # Path.expanduser() raises for unknown users
        if home.startswith("~"):
            raise ValueError(f"has a home folder that is not known, {expanded.split('/')[0]}; write the path itself")
        expanded = home
    if long := next((part for part in expanded.split("/") if len(os.fsencode(part)) > _LONGEST_NAME), None):
        raise ValueError(f"has a name of {len(os.fsencode(long))} bytes; {_LONGEST_NAME} are allowed")
    return expanded


def path_text(path: str) -> str:
    """Return a path as written in a file: the inverse of :func:`expand_path`."""
    return path.replace("$", "$$")


def _value(match: re.Match[str]) -> str:
    dollar, name = match.groups()
    if dollar:
        return "$"
    if not os.environ.get(name):
        raise ValueError(f"refers to ${name}, which is not set; set it, or write $$ for a dollar sign")
    return os.environ[name]
