"""A folder of token files: ``train.bin``, ``val.bin`` and the ``meta.json`` that describes them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from ml_playground.durable import read_regular
from ml_playground.errors import DataError
from ml_playground.text.tokenizer import Tokenizer, TokenizerState, load_tokenizer

META = "meta.json"
_MOST_VERIFIED = 1 << 28
"""Maximum size in bytes of files whose digest is verified: reading them takes no noticeable time."""
FORMAT = 3
_READ = (2, FORMAT)
"""Format 2 has no digests of the token files."""
_DTYPES = ("<u2", "<u4")
Split = Literal["train", "val"]
Tokens = NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(frozen=True)
class Meta:
    """Content of ``meta.json``."""

    format: int
    fingerprint: str
    """Digest of source, tokenizer and settings; the dataset is prepared again when it changes."""
    source: str
    documents: int
    """Number of documents. A single one is cut in two; of several, each is followed by the end-of-text token."""
    split_seed: int | None
    """Seed used to draw the validation documents; None if there is a single document."""
    val_documents: list[int]
    """Indices of the validation documents."""
    characters: int
    train_tokens: int
    val_tokens: int
    val_bytes: int
    """Size of the validation text as UTF-8."""
    vocab_size: int
    dtype: str
    """NumPy's name for the dtype of the ids in the files, such as ``<u2``."""
    tokenizer: TokenizerState
    sha256: dict[str, str] = field(default_factory=dict[str, str])
    """Digests of the token files by name: these files are ours, and may be replaced. Masks are optional."""

    normalize: str = "none"
    """Unicode normalization form of the text."""
    val_text: str = ""
    """SHA-256 of the validation text, which is the same for every tokenizer; empty if it was not recorded."""

    targets: dict[str, int] = field(default_factory=dict[str, int])
    """Tokens that count in the loss, by split, where a mask says which; empty if all do."""

    notes: dict[str, str] = field(default_factory=dict[str, str])
    """What was found while preparing, for the summary."""

    def bytes(self, split: Split) -> int:
        """Return the size of a token file in bytes."""
        return (self.train_tokens if split == "train" else self.val_tokens) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class PreparedDataset:
    """Token files that exist and have the size given in their meta."""

    folder: Path
    meta: Meta

    @property
    def tokenizer(self) -> Tokenizer:
        return load_tokenizer(self.meta.tokenizer)

    def bits_per_byte(self, val_loss: float) -> float:
        """Convert a validation loss in nats per token to bits per byte of text, comparable across tokenizers."""
        return val_loss / math.log(2) / self.bytes_per_token

    @property
    def bytes_per_token(self) -> float:
        """Bytes of validation text per token that counts in the loss."""
        return self.meta.val_bytes / self.meta.targets.get("val", self.meta.val_tokens)

    def tokens(self, split: Split) -> Tokens:
        """Return the ids of a split, shape (tokens,), as a read-only memory map."""
        return np.memmap(self.folder / f"{split}.bin", dtype=self.meta.dtype, mode="r")

    def mask(self, split: Split) -> NDArray[np.uint8] | None:
        """Return a split's mask, shape (tokens,): 1 for targets, 0 for context only; None if all ids are targets."""
        name = mask_name(split)
        return np.memmap(self.folder / name, dtype=np.uint8, mode="r") if name in self.meta.sha256 else None

    def lengths(self, split: Split) -> NDArray[np.uint32] | None:
        """Return the lengths in tokens of a split's examples; None for text, whose windows are cut anywhere."""
        name = lengths_name(split)
        return np.fromfile(self.folder / name, dtype="<u4") if name in self.meta.sha256 else None


def lengths_name(split: Split) -> str:
    """Return the name of the file next to a split's tokens with the length of each example."""
    return f"{split}.lengths.bin"


def mask_name(split: Split) -> str:
    """Return the name of the file next to a split's tokens that marks which are targets, one byte each."""
    return f"{split}.mask.bin"


def read_meta(folder: Path) -> Meta | None:
    """Return the folder's meta, or None if it has none in a format that this version reads.

    Raises:
        DataError: there is a ``meta.json``, but it is not ours.
        OSError: it cannot be read.
    """
    meta = read_meta_of_any_format(folder)
    return meta if meta and meta.format in _READ else None


def read_meta_of_any_format(folder: Path) -> Meta | None:
    """Like :func:`read_meta`, but also for formats of other versions."""
    path = folder / META
    try:
        return _meta(json.loads(read_regular(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError(
            f"{path}: is not a dataset's meta file; name another folder in [prepare] dataset_dir, or move it away"
        ) from None


def _meta(table: object) -> Meta:
    """Validate the content of a meta file.

    Raises:
        TypeError, ValueError: it is not what :func:`meta_text` writes.
    """
    if not isinstance(table, dict):
        raise TypeError("no table")
    meta = Meta(**cast("dict[str, Any]", table))
    for name, kind in get_type_hints(Meta).items():
        value: object = vars(meta)[name]
        plain = origin if (origin := get_origin(kind)) in (list, dict) else kind
        if not isinstance(value, plain) or isinstance(value, bool) or (isinstance(value, int) and value < 0):
            raise TypeError(f"{name} is of type {type(value).__name__}")
    entries: list[tuple[object, object]] = [*meta.tokenizer.items(), *meta.sha256.items(), *meta.notes.items()]
    counts: list[object] = [*meta.targets.values()]
    if meta.dtype not in _DTYPES or not all(isinstance(count, int) for count in counts):
        raise ValueError("no such dtype or targets")
    if not all(isinstance(text, str) for entry in entries for text in entry):
        raise ValueError("no such tokenizer or notes")
    return meta


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as a hex digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_dataset(folder: Path) -> PreparedDataset:
    """Open a prepared dataset.

    Raises:
        DataError: the folder has none, or its files are truncated or damaged.
    """
    meta = read_meta(folder)
    if meta is None:
        raise DataError(f"{folder}: no prepared dataset here; run the verb 'prepare'")
    splits: tuple[Split, ...] = ("train", "val")
    files = {f"{split}.bin": meta.bytes(split) for split in splits}
    counts = {"train": meta.train_tokens, "val": meta.val_tokens}
    files |= {mask_name(split): counts[split] for split in splits if mask_name(split) in meta.sha256}
    examples = {"train": meta.documents - len(meta.val_documents), "val": len(meta.val_documents)}
    files |= {lengths_name(split): 4 * examples[split] for split in splits if lengths_name(split) in meta.sha256}
    for name, wanted in files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else 0
        if size != wanted:
            raise DataError(f"{path}: has {size} bytes of {wanted}; delete it and {META} to prepare it again")
        known = meta.sha256.get(path.name)
        if known and size <= _MOST_VERIFIED and file_digest(path) != known:
            raise DataError(f"{path}: is damaged, or not what {META} says; delete both to prepare it again")
    return PreparedDataset(folder, meta)


def meta_text(meta: Meta) -> str:
    """Return the text of ``meta.json``."""
    return json.dumps(dataclasses.asdict(meta), ensure_ascii=False, indent=1) + "\n"
