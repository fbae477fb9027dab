"""Validation of plain data against type annotations."""

from __future__ import annotations

from types import UnionType
from typing import Any, cast, get_args, get_origin, get_type_hints, is_typeddict


def schema_mismatch(value: object, kind: Any, name: str) -> str | None:
    """Describe the first key that is missing or has the wrong type, recursing into dictionaries; None if all match.

    ``kind`` is a class, a union of classes, a ``TypedDict``, or a generic such as ``dict[str, int]``.
    """
    origin = get_origin(kind)
    outer = dict if is_typeddict(kind) else kind if origin in (None, UnionType) else origin
    if not isinstance(value, outer):
        return f"{name} is of type {type(value).__name__}"
    if outer is not dict:
        return None
    items = cast("dict[object, object]", value)
    kinds = get_type_hints(kind) if is_typeddict(kind) else dict.fromkeys(items, get_args(kind)[1])
    for key, inner in kinds.items():
        if key not in items:
            return f"{name}.{key} is missing"
        if problem := schema_mismatch(items[key], inner, f"{name}.{key}"):
            return problem
    return None
