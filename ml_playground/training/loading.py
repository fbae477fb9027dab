"""Load trained models, including those trained with nanoGPT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

import torch
from torch import Tensor

from ml_playground.errors import CheckpointError, RunFolderError, UserError, first_line
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import build_model
from ml_playground.models.config import ModelArgs
from ml_playground.text.tokenizer import Tokenizer, load_tokenizer
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint import LoadedCheckpoint
from ml_playground.training.checkpoint_manifest import BEST, LAST

LEGACY = "ckpt.pt"
_COMPILED_PREFIX = "_orig_mod."
_MASK_SUFFIX = ".attn.bias"


class LegacyCheckpoint(TypedDict):
    """The keys of nanoGPT's ``ckpt.pt`` that sampling needs."""

    model: dict[str, Tensor]
    model_args: ModelArgs
    iter_num: int


@dataclass(frozen=True)
class Trained:
    """A trained model and its tokenizer."""

    path: Path
    step: int
    model: LanguageModel
    tokenizer: Tokenizer | None
    """None for a nanoGPT checkpoint, which does not include one."""
    rejected: list[str]
    """Reasons why preferred checkpoints were rejected."""
    val_loss: float | None = None
    """Validation loss in nats per token when the checkpoint was written; None if it is not known."""


def load_trained(folder: Path, checkpoint: Path | None = None) -> Trained:
    """Load the given checkpoint or, by default, the best one of a run folder, else the last, else nanoGPT's.

    Raises:
        RunFolderError: If there is no checkpoint.
        CheckpointError: If no checkpoint can be used.
    """
    if checkpoint:
        if not checkpoint.exists():
            raise RunFolderError(f"sample.runtime.checkpoint: {checkpoint} does not exist; name a checkpoint file")
        # A file without our manifest may be from nanoGPT; it is also loaded without executing code.
        legacy = checkpoint.name == LEGACY or not checkpoint.with_suffix(".json").exists()
        trained = _load_legacy(checkpoint) if legacy else _load(checkpoints.read(checkpoint))
    elif found := checkpoints.find(folder, BEST, LAST):
        trained = _load(found)
    elif (path := folder / LEGACY).exists():
        trained = _load_legacy(path)
    else:
        raise RunFolderError(f"{folder}: no checkpoint here; train first, or name another [sample.runtime] out_dir")
    return trained


def _load(found: LoadedCheckpoint) -> Trained:
    state = found.checkpoint["state"]
    model = build_model(found.checkpoint["model_args"])
    model.load_trainable_state(state["model"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if (average := state["ema"].get(name)) is not None:
                parameter.copy_(average)
    tokenizer = load_tokenizer(found.checkpoint["tokenizer"])
    return Trained(found.path, found.step, model, tokenizer, found.rejected, found.manifest.val_loss)


def _load_legacy(path: Path) -> Trained:
    content = checkpoints.load_tensors(path)
    if isinstance(content, dict) and "format" in content:
        raise CheckpointError(checkpoints.without_manifest(path))
    if not isinstance(content, dict) or not {"model", "model_args", "iter_num"} <= content.keys():
        raise CheckpointError(f"{path} is not a nanoGPT checkpoint: it lacks model, model_args or iter_num")
    checkpoint = cast("LegacyCheckpoint", content)
    try:
        model = build_model(checkpoint["model_args"])
        model.load_state_dict(_without_artifacts(checkpoint["model"]))
    except (UserError, TypeError, AttributeError, RuntimeError) as error:
        reason = first_line(error)
        raise CheckpointError(
            f"{path}: its weights or model_args are not those of a GPT of nanoGPT: {reason}"
        ) from None
    return Trained(path, checkpoint["iter_num"], model, None, [])


def _without_artifacts(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Strip the name prefix added by ``torch.compile``, and drop the causal masks saved by old versions."""
    names = {name.removeprefix(_COMPILED_PREFIX): tensor for name, tensor in weights.items()}
    return {name: tensor for name, tensor in names.items() if not name.endswith(_MASK_SUFFIX)}
