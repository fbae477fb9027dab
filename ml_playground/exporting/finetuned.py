"""A finetuned model for PEFT and for transformers."""

# torch, peft and safetensors type some functions in part.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from pathlib import Path

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from torch import Tensor, nn

from ml_playground.durable import write_text
from ml_playground.errors import RunError, UserError
from ml_playground.models.hf import PretrainedLanguageModel, lora_config
from ml_playground.training.loading import Trained

_PREFIX = "causal."
_BOUND = 1e-2
"""Largest difference of a logit that merging may make; it adds the adapters to the weights, in float32."""


def export_adapter(trained: Trained, folder: Path) -> None:
    """Write the adapters as ``peft.PeftModel.from_pretrained`` reads them: weights in safetensors, and a config.

    Raises:
        UserError: If the model has no adapters, or the folder exists.
    """
    model = _finetuned(trained)
    weights = {
        f"base_model.model.{name.removeprefix(_PREFIX).replace('.default.', '.')}": tensor.contiguous().clone()
        for name, tensor in model.trainable_state().items()
    }
    _make(folder)
    config = lora_config(model.args, model.causal)
    config.base_model_name_or_path = str(model.args["path"])
    config.inference_mode = True
    config.save_pretrained(str(folder))
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    _write_tokenizer(trained, folder)


@torch.no_grad()
def export_merged(trained: Trained, folder: Path, ids: Tensor) -> float:
    """Write the model with its adapters added to the weights, as transformers reads it.

    Args:
        trained: The finetuned model.
        folder: The folder to create.
        ids: Token ids of validation text, shape (batch, tokens), on which both forms are compared.

    Returns:
        The largest absolute difference of a logit between both forms; it is in the model card, too.

    Raises:
        UserError: If the model has no adapters, or the folder exists.
        RunError: If the forms differ by more than rounding explains.
    """
    model = _finetuned(trained).float().eval()
    merged = copy.deepcopy(model)
    for name, module in _adapters(merged.causal):
        module.merge()
        parent, _, own = name.rpartition(".")
        setattr(merged.causal.get_submodule(parent), own, module.get_base_layer())
    difference = float((model(ids) - merged(ids)).abs().max())
    if difference > _BOUND:
        raise RunError(
            f"{folder}: the merged model's logits differ by {difference:.2g}, more than {_BOUND}; not written"
        )
    _make(folder)
    merged.causal.save_pretrained(str(folder))
    _write_tokenizer(trained, folder)
    write_text(folder / "README.md", _card(trained, model, difference, ids.numel()))
    return difference


def _adapters(causal: nn.Module) -> Iterable[tuple[str, BaseTunerLayer]]:
    return [(name, module) for name, module in causal.named_modules() if isinstance(module, BaseTunerLayer)]


def _finetuned(trained: Trained) -> PretrainedLanguageModel:
    model = trained.model
    if not isinstance(model, PretrainedLanguageModel) or not _adapters(model.causal):
        raise UserError(f"{trained.path}: has no adapters; only LoRA finetuning leaves some")
    return model


def _make(folder: Path) -> None:
    """Create a folder; what is there stays as it is."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UserError(f"{folder}: exists; name another folder, or move it away") from None


def _write_tokenizer(trained: Trained, folder: Path) -> None:
    state = trained.tokenizer.state if trained.tokenizer else {}
    if "definition" in state:
        write_text(folder / "tokenizer.json", state["definition"])
        names = {"eos_token": state.get("end"), "bos_token": state.get("start") or None}
        table = {"tokenizer_class": "PreTrainedTokenizerFast", **{k: v for k, v in names.items() if v}}
        write_text(folder / "tokenizer_config.json", json.dumps(table, indent=1) + "\n")


def _card(trained: Trained, model: PretrainedLanguageModel, difference: float, tokens: int) -> str:
    args = model.args
    return (
        f"---\nlibrary_name: transformers\nbase_model: {args['path']}\n---\n"
        f"# {Path(str(args['path'])).name}, finetuned\n"
        f"LoRA of rank {args['peft.r']}, merged into the weights from {trained.path.name} at step {trained.step:,}.\n"
        f"Over {tokens:,} tokens of validation text, no logit of the merged model differs from that of the model with"
        f" adapters by more than {difference:.2g}.\nThe pretrained model has the SHA-256 `{args['base_sha256']}`.\n"
    )
