"""Single faults in a GGUF file: what is read of a file is changed, and written again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray

Type = GGMLQuantizationType
EOS, MERGES, TOKENS, TYPES = (f"tokenizer.ggml.{name}" for name in ("eos_token_id", "merges", "tokens", "token_type"))


@dataclass
class Content:
    """What a file has."""

    fields: dict[str, tuple[list[GGUFValueType], Any]]
    """Types and values of the metadata."""
    tensors: dict[str, tuple[Type, NDArray[Any]]]

    @classmethod
    def read(cls, path: Path) -> Content:
        reader = GGUFReader(path)
        fields = {
            name: (field.types, field.contents())
            for name, field in reader.fields.items()
            if not name.startswith("GGUF.") and name != "general.architecture"
        }
        return cls(fields, {t.name: (t.tensor_type, np.array(t.data)) for t in reader.tensors})

    def write(self, path: Path, architecture: str) -> None:
        writer = GGUFWriter(path, architecture)
        for name, (types, value) in self.fields.items():
            writer.add_key_value(name, value, types[0], types[1] if len(types) > 1 else None)
        for name, (type_, data) in self.tensors.items():
            writer.add_tensor(name, data, raw_dtype=type_)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()

    def matrix(self, name: str) -> NDArray[Any]:
        """Data of a tensor, to change in place."""
        return self.tensors[f"{name}.weight"][1]


Fault = Callable[[Content], None]


def metadata(name: str, change: Callable[[Any], Any]) -> Fault:
    """Another value for a key."""

    def fault(content: Content) -> None:
        types, value = content.fields[name]
        content.fields[name] = (types, change(value))

    return fault


def without(name: str) -> Fault:
    """A key is missing."""
    return lambda content: content.fields.pop(name) and None


def tensor(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Fault:
    """Other values of a tensor."""

    def fault(content: Content) -> None:
        type_, data = content.tensors[name]
        changed = change(data.copy())
        assert changed.shape != data.shape or not np.array_equal(changed, data)
        content.tensors[name] = (type_, np.ascontiguousarray(changed))

    return fault


def swapped(first: str, second: str) -> Fault:
    """Two tensors in each other's place."""

    def fault(content: Content) -> None:
        tensors = content.tensors
        tensors[first], tensors[second] = tensors[second], tensors[first]

    return fault


def missing(name: str) -> Fault:
    """A tensor is not there."""
    return lambda content: content.tensors.pop(name) and None


def cut(name: str, type_: Type) -> Fault:
    """A tensor of float32 in fewer bits."""

    def fault(content: Content) -> None:
        content.tensors[name] = (type_, quantize(content.tensors[name][1], type_))

    return fault


def exchanged(first: int, second: int) -> Callable[[list[Any]], list[Any]]:
    """Two elements of a list in each other's place."""

    def change(values: list[Any]) -> list[Any]:
        values = list(values)
        values[first], values[second] = values[second], values[first]
        return values

    return change
