"""The model that a run starts with: newly initialized, or with the weights of another one."""

from __future__ import annotations

from pathlib import Path

import torch

from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.errors import DataError, UserError, first_line
from ml_playground.models.base import LanguageModel
from ml_playground.models.build import create_model, family_of
from ml_playground.models.config import DecoderConfig, ModelArgs, ModelConfig
from ml_playground.models.hugging_face import read_hugging_face
from ml_playground.terminal.console import say
from ml_playground.text.config import PrepareConfig
from ml_playground.text.tokenizer import Tokenizer, train_tokenizer
from ml_playground.training.loading import load_trained

_KEY = "train.model.init_from"
_FREE = ("dropout",)
"""Arguments that shape no weights and change no output."""
_TEXT = 4096
"""Tokens of validation text on which tokenizers are compared."""


def initial_model(config: ModelConfig, dataset: PreparedDataset) -> LanguageModel:
    """Return the model to train, with the weights that ``init_from`` names, if it names any.

    Raises:
        UserError: If these cannot be read, or the model or the data have another shape or vocabulary.
        CheckpointError: If a checkpoint is damaged.
    """
    args = config.args(dataset.meta.vocab_size)
    model = create_model(args)
    if isinstance(config, DecoderConfig) and (path := config.init_from):
        if not path.exists():
            raise UserError(
                f"{_KEY} = {path}: does not exist; name a Hugging Face folder, a run folder or a checkpoint"
            )
        source, tokenizer = _hugging_face(path, args) if (path / "config.json").exists() else _checkpoint(path, args)
        _compare_vocabulary(path, tokenizer, dataset)
        _copy(path, source, model)
        say(f"weights: {path}")
    return model


def _hugging_face(folder: Path, args: ModelArgs) -> tuple[LanguageModel, Tokenizer | None]:
    theirs, family = read_hugging_face(folder), family_of(args)
    try:
        _compare_shape(folder, family.args_from_hugging_face(theirs), args)
        source = family.from_hugging_face(theirs)
    except KeyError as error:
        raise UserError(f"{_KEY} = {folder}: lacks {error.args[0]}, which a model of this family has") from None
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{_KEY} = {folder}: {first_line(error)}") from None
    try:
        tokenizer = train_tokenizer(PrepareConfig(tokenizer="hf", tokenizer_path=folder), [])
    except DataError:
        tokenizer = None
    return source, tokenizer


def _checkpoint(path: Path, args: ModelArgs) -> tuple[LanguageModel, Tokenizer | None]:
    trained = load_trained(path) if path.is_dir() else load_trained(path.parent, path)
    _compare_shape(path, trained.model.args, args)
    return trained.model, trained.tokenizer


def _compare_shape(path: Path, found: ModelArgs, wanted: ModelArgs) -> None:
    """Raises:
    UserError: If a setting differs.
    """
    for name, value in {"family": wanted["family"], **wanted}.items():
        there = found.get(name)
        if name in _FREE or there == value or (name == "bias" and there):  # biases may be zeros
            continue
        if name == "vocab_size":
            raise UserError(
                f"{_KEY} = {path}: has a vocabulary of {there}, and the data one of {value}; prepare the data with its"
                ' tokenizer, as with [prepare] tokenizer = "hf" and tokenizer_path'
            )
        raise UserError(f"train.model.{name} = {value}: {path} has {there}; set {name} = {_toml(there)}")


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _compare_vocabulary(path: Path, theirs: Tokenizer | None, dataset: PreparedDataset) -> None:
    """Raises:
    UserError: If a text of the data has other tokens there.
    """
    if theirs is None:
        say(f"note: {path} has no tokenizer to compare with the data's")
        return
    ours = dataset.tokenizer
    text = ours.decode(dataset.tokens("val")[:_TEXT].tolist())
    try:
        same = theirs.encode(text).tolist() == ours.encode(text).tolist()
    except DataError:
        same = False
    if not same:
        raise UserError(
            f"{_KEY} = {path}: was trained on other tokens than the data has; prepare the data with its tokenizer, as"
            ' with [prepare] tokenizer = "hf" and tokenizer_path'
        )


@torch.no_grad()
def _copy(path: Path, source: LanguageModel, model: LanguageModel) -> None:
    """Copy the weights; biases that the model lacks must be zero.

    Raises:
        UserError: If they are not.
    """
    weights, own = source.state_dict(), model.state_dict()
    if any(weights[name].any() for name in weights.keys() - own.keys()):
        raise UserError(f"train.model.bias = false: {path} has biases; set bias = true")
    model.load_state_dict({name: weights.get(name, tensor) for name, tensor in own.items()})
