"""Weights in safetensors, written one tensor at a time.

The library wants all tensors contiguous at once, which for GPT-2's transposed matrices would be a second copy of the
model. Source: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ml_playground.durable import replacing

_ALIGNMENT = 8


def write_safetensors(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Replace a file with weights in float32.

    Args:
        path: The file, ``*.safetensors``.
        weights: Tensors on any device and of any layout, by name.

    Raises:
        OSError: If it cannot be written.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name in sorted(weights):
        end = start + weights[name].numel() * torch.float32.itemsize
        header[name] = {"dtype": "F32", "shape": list(weights[name].shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with replacing(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in sorted(weights):
            file.write(weights[name].detach().float().contiguous().cpu().numpy().data)
