"""A finetuned model for PEFT and for transformers: the adapters, or the whole model with the adapters merged."""

# torch, peft and safetensors type some functions in part.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from transformers import AutoModelForCausalLM

from ml_playground.errors import RunError, UserError, first_line
from ml_playground.exporting.config import Finetuned
from ml_playground.exporting.fast_tokenizer import fast_tokenizer
from ml_playground.exporting.hugging_face import load_causal, write_generation_config
from ml_playground.exporting.proof import Proof, prove
from ml_playground.exporting.subject import Subject
from ml_playground.exporting.tokenizer_proof import prove_tokenizer
from ml_playground.models.hf import PretrainedLanguageModel, lora_config

_PREFIX = "causal."
_ADAPTER = "adapter_model.safetensors"
_MERGED = 1e-4
"""Largest difference of a logit that merging may make, as a share of the largest one; it is done in float32."""


def write_finetuned(subject: Subject, folder: Path) -> None:
    """Write the adapters as PEFT reads them, or the whole model as transformers reads it, into an empty folder.

    Raises:
        UserError: If the model has no adapters, but the adapters are wanted.
        OSError: If a file cannot be written.
    """
    model = subject.model
    assert isinstance(model, PretrainedLanguageModel)
    try:
        if subject.config.export.finetuned is Finetuned.adapter:
            _write_adapter(model, folder)
        else:
            _merged(model).save_pretrained(str(folder))
            write_generation_config(subject, folder)
    except SafetensorError as error:  # as which its library raises the system's errors
        raise OSError(str(error)) from None
    fast_tokenizer(subject.tokenizer).write(folder, model.block_size)


@torch.no_grad()
def prove_finetuned(subject: Subject, folder: Path) -> Proof:
    """Load the folder as other programs do, and compare it with our model.

    Raises:
        RunError: If anything differs.
    """
    texts = prove_tokenizer(subject.tokenizer, folder, subject.windows().inputs)
    if (folder / _ADAPTER).exists():
        args = subject.model.args
        base = AutoModelForCausalLM.from_pretrained(str(args["path"]), revision=args["revision"], dtype=torch.float32)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*is_gradient_checkpointing", FutureWarning)  # peft's name for it
                theirs: Any = PeftModel.from_pretrained(base, str(folder))
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise RunError(f"peft cannot load it: {first_line(error)[:200]}") from None
    else:
        theirs = load_causal(folder)
    return prove(subject, theirs.eval(), texts, bound=_MERGED)


def _write_adapter(model: PretrainedLanguageModel, folder: Path) -> None:
    if not _adapters(model.causal):
        raise UserError(
            "export.finetuned = adapter: the model has none, because all weights were trained; set 'merged'"
        )
    weights = {
        f"base_model.model.{name.removeprefix(_PREFIX).replace('.default.', '.')}": tensor.contiguous().clone()
        for name, tensor in model.trainable_state().items()
    }
    config = lora_config(model.args, model.causal)
    config.base_model_name_or_path = str(model.args["path"])
    config.inference_mode = True
    config.save_pretrained(str(folder))
    save_file(weights, folder / _ADAPTER, metadata={"format": "pt"})


@torch.no_grad()
def _merged(model: PretrainedLanguageModel) -> Any:
    """Return the model of transformers with the adapters added to the weights."""
    causal = copy.deepcopy(model.causal)
    for name, module in _adapters(causal):
        module.merge()
        parent, _, own = name.rpartition(".")
        setattr(causal.get_submodule(parent), own, module.get_base_layer())
    return causal


def _adapters(causal: nn.Module) -> Iterable[tuple[str, BaseTunerLayer]]:
    return [(name, module) for name, module in causal.named_modules() if isinstance(module, BaseTunerLayer)]
