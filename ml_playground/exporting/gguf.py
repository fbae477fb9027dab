"""GGUF files, which llama.cpp, Ollama and LM Studio run.

Weights keep their orientation and are converted one at a time, so that writing needs little more memory than the model.
Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from io import BufferedWriter
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from gguf import MODEL_ARCH, GGMLQuantizationType, GGUFWriter, LlamaFileType, get_tensor_name_map
from gguf.constants import GGML_QUANT_SIZES, GGML_QUANT_VERSION, MODEL_ARCH_NAMES
from gguf.gguf_writer import WriterState
from gguf.quants import quantize
from numpy.typing import NDArray
from torch import Tensor

from ml_playground.durable import replacing
from ml_playground.errors import RunError, UserError
from ml_playground.exporting.gguf_vocabulary import gguf_vocabulary
from ml_playground.models.base import LanguageModel
from ml_playground.models.config import DEFAULT_FAMILY
from ml_playground.text.tokenizer import is_chat
from ml_playground.training.loading import Trained

_ARCHITECTURES = {"gpt": MODEL_ARCH.GPT2, "qwen3": MODEL_ARCH.QWEN3}
_TIED_HEAD = "lm_head.weight"
_WITHOUT_BIAS = ("transformer.wte.weight", "transformer.wpe.weight")
_POSITIONS = "position_embd.weight"


class TensorType(Enum):
    """How matrices are stored. Vectors and position embeddings are always float32, which llama.cpp expects."""

    f32 = (GGMLQuantizationType.F32, LlamaFileType.ALL_F32)
    f16 = (GGMLQuantizationType.F16, LlamaFileType.MOSTLY_F16)
    bf16 = (GGMLQuantizationType.BF16, LlamaFileType.MOSTLY_BF16)
    q8_0 = (GGMLQuantizationType.Q8_0, LlamaFileType.MOSTLY_Q8_0)
    """Blocks of 32 8-bit integers with a common scale; float16 where the width is not a multiple of 32."""

    @classmethod
    def of(cls, kind: str) -> TensorType:
        """Return the type of that name.

        Raises:
            UserError: If there is none.
        """
        if kind not in cls.__members__:
            raise UserError(f"'{kind}' is not a type that can be written; there are {', '.join(cls.__members__)}")
        return cls[kind]

    def stored_as(self, name: str, tensor: Tensor) -> GGMLQuantizationType:
        """Return how a tensor is stored."""
        wanted = self.value[0]
        if tensor.dim() == 1 or name == _POSITIONS:
            return GGMLQuantizationType.F32
        return GGMLQuantizationType.F16 if tensor.shape[-1] % GGML_QUANT_SIZES[wanted][0] else wanted


@torch.no_grad()
def write_gguf(trained: Trained, path: Path, kind: str, *, name: str = "") -> None:
    """Write a model of the family ``gpt`` or ``qwen3`` with its tokenizer; ``path`` is replaced when all is written.

    Args:
        trained: The model; its tokenizer must not be None.
        path: The file, by custom ``*.gguf``.
        kind: Name of a :class:`TensorType`.
        name: Name of the model that other programs display; by default the file's.

    Raises:
        UserError: If the type is unknown, or GGUF cannot represent the model or its vocabulary.
        RunError: If the file cannot be written.
    """
    stored = TensorType.of(kind)
    architecture = _architecture(trained.model)
    if trained.tokenizer is None:
        raise UserError(f"{trained.path}: has no tokenizer; export it with an experiment on its data")
    vocabulary = gguf_vocabulary(trained.tokenizer)
    tensors = list(_stored(trained.model, stored))
    try:
        with replacing(path) as file:
            writer = GGUFWriter(None, MODEL_ARCH_NAMES[architecture])
            writer.add_name(name or path.stem)
            writer.add_file_type(stored.value[1])
            writer.add_quantization_version(GGML_QUANT_VERSION)
            _add_shape(writer, trained.model)
            vocabulary.add_to(writer, trained.model.vocab_size)
            if is_chat(trained.tokenizer):
                writer.add_chat_template(trained.tokenizer.state["template"])
            for tensor_name, tensor, type_ in tensors:
                dtype = np.dtype(np.float32)  # only of bytes would the shape be taken for that of blocks
                writer.add_tensor_info(tensor_name, tensor.shape, dtype, _bytes(tensor, type_), type_)
            writer.fout, writer.state = [cast("BufferedWriter", file)], WriterState.EMPTY  # as if it had opened it
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for _, tensor, type_ in tensors:
                writer.write_tensor_data(_encoded(tensor.float().contiguous().cpu(), type_))
    except OSError as error:
        # NumPy does not say why a write ends early.
        reason = error.strerror or f"{error}; the disk may be full"
        raise RunError(f"{path}: cannot be written: {reason}") from None


def _encoded(tensor: Tensor, type_: GGMLQuantizationType) -> NDArray[Any]:
    # torch converts ten times faster than the library.
    if type_ is GGMLQuantizationType.F16:
        return tensor.half().numpy()
    if type_ is GGMLQuantizationType.BF16:
        return tensor.bfloat16().view(torch.uint8).numpy()
    return quantize(tensor.numpy(), type_)


def _architecture(model: LanguageModel) -> MODEL_ARCH:
    family = str(model.args.get("family", DEFAULT_FAMILY))
    if not is_written(model):
        raise UserError(
            f"a GGUF file is written for the families {' and '.join(_ARCHITECTURES)}, not '{family}'; set"
            " [export.ollama] convert_bin to llama.cpp's converter"
        )
    return _ARCHITECTURES[family]


def is_written(model: LanguageModel) -> bool:
    """Return whether the model's family can be written; others need llama.cpp's converter."""
    return str(model.args.get("family", DEFAULT_FAMILY)) in _ARCHITECTURES


def stored_bytes(model: LanguageModel, kind: str) -> int:
    """Return the size of all tensors in a file of a type."""
    return sum(_bytes(tensor, type_) for _, tensor, type_ in _stored(model, TensorType.of(kind)))


def _bytes(tensor: Tensor, type_: GGMLQuantizationType) -> int:
    values, size = GGML_QUANT_SIZES[type_]
    return tensor.numel() // values * size


def _stored(model: LanguageModel, wanted: TensorType) -> Iterator[tuple[str, Tensor, GGMLQuantizationType]]:
    for name, tensor in _tensors(model):
        yield name, tensor, wanted.stored_as(name, tensor)


def _tensors(model: LanguageModel) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors with their names in GGUF; llama.cpp takes a missing head from the embedding."""
    architecture = _architecture(model)
    names = get_tensor_name_map(architecture, int(model.args["n_layer"]))
    state = model.state_dict()
    for own, tensor in state.items():
        if own == _TIED_HEAD:
            continue
        name = names.get_name(own, (".weight", ".bias"))
        assert name is not None
        yield name, tensor
        if own.endswith(".bias"):
            continue
        bias = own.removesuffix("weight") + "bias"
        # llama.cpp expects all biases that GPT-2 has; zeros are equivalent to none.
        if architecture is MODEL_ARCH.GPT2 and bias not in state and own not in _WITHOUT_BIAS:
            yield name.removesuffix("weight") + "bias", tensor.new_zeros(len(tensor))


def _add_shape(writer: GGUFWriter, model: LanguageModel) -> None:
    args = model.args
    width, heads = int(args["n_embd"]), int(args["n_head"])
    writer.add_context_length(model.block_size)
    writer.add_vocab_size(model.vocab_size)
    writer.add_embedding_length(width)
    writer.add_block_count(int(args["n_layer"]))
    writer.add_head_count(heads)
    if writer.arch == MODEL_ARCH_NAMES[MODEL_ARCH.GPT2]:
        writer.add_feed_forward_length(4 * width)
        writer.add_layer_norm_eps(float(args.get("norm_eps", 1e-5)))
        # For readers: llama.cpp always computes GELU by its approximation with tanh, from a table in float16.
        writer.add_string("ml_playground.activation", str(args.get("activation", "gelu")))
    else:
        writer.add_feed_forward_length(int(args["n_inner"]))
        writer.add_head_count_kv(int(args["n_kv_head"]))
        writer.add_key_length(width // heads)
        writer.add_value_length(width // heads)
        writer.add_layer_norm_rms_eps(float(args["norm_eps"]))
        writer.add_rope_freq_base(float(args["rope_theta"]))
