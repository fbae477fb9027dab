"""Checkpoint files: written atomically, verified on load, and loaded without executing code.

``<stem>.pt`` is the newest generation and ``<stem>.prev.pt`` the previous one. ``<stem>.json`` and
``<stem>.prev.json`` contain their SHA-256 digests; a file whose digest matches neither is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import shutil
import struct
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypedDict, cast

import torch

from ml_playground.durable import open_regular, replacing, sync_folder, to_json, write_text
from ml_playground.errors import CheckpointError, kept
from ml_playground.models.config import ModelArgs
from ml_playground.text.tokenizer import TokenizerState
from ml_playground.training.checkpoint_manifest import BEST, LAST, Manifest, read_manifest
from ml_playground.training.schema import schema_mismatch
from ml_playground.training.state import StateDict

FORMAT = 2
_RENAMED_SINCE_1 = {"mean": "exp_avg", "variance": "exp_avg_sq"}
"""Optimizer state keys of format 1 and their current names."""
_OVERHEAD_BYTES = 1 << 18
# Exceptions torch can raise on a corrupted or malicious file; they share no base class below Exception.
_LOAD_ERRORS = (
    pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError,
    ArithmeticError, EOFError, OSError, MemoryError, struct.error,
)  # fmt: skip


class Checkpoint(TypedDict):
    """Content of a checkpoint file."""

    format: int
    model_args: ModelArgs
    """Architecture arguments of the model family; without a family name they are nanoGPT's."""
    tokenizer: TokenizerState
    data: str
    """Fingerprint of the dataset."""
    config: dict[str, object]
    """The settings of the run, by dotted key."""
    state: StateDict


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A loaded checkpoint, and the reasons why candidates before it were rejected."""

    path: Path
    checkpoint: Checkpoint
    manifest: Manifest
    rejected: list[str]

    @property
    def step(self) -> int:
        """Step of the checkpoint."""
        return self.manifest.step


def save(folder: Path, stem: str, checkpoint: Checkpoint, step: int, val_loss: float | None) -> None:
    """Write a new generation of ``<stem>.pt``.

    A kill or a power failure at any point leaves either the new or the previous generation, with its digest in one of
    the two manifests. ``<stem>.pt`` is written last, so it is valid from the first save on: if it is missing, either
    there was no save or the user deleted it to start over.

    Raises:
        CheckpointError: If it cannot be written.
    """
    with writing(folder):
        _refuse_full_disk(folder, checkpoint)
        with replacing(folder / f"{stem}.pt") as file:
            _serialize(checkpoint, file)
            manifest = _describe(Path(file.name), step, val_loss)
            _keep_generation(folder, stem)
            _write_manifest(folder, stem, manifest)


def copy(folder: Path, source: str, stem: str) -> None:
    """Copy ``<source>.pt`` and its manifest to ``<stem>.pt``, as independent files.

    Raises:
        CheckpointError: If it cannot be written.
    """
    manifest = read_manifest(folder, source)
    assert manifest is not None, "only what save() or promote() wrote is copied"
    with writing(folder):
        _copy_file(folder / f"{source}.pt", folder / f"{stem}.pt")
        _write_manifest(folder, stem, manifest)


def link(folder: Path, stem: str, target: Path) -> None:
    """Give ``<stem>.pt`` and its manifest a second name in another folder. A file is only ever replaced as a whole, so
    that neither folder can change the other's.
    """
    for suffix in ("json", "pt"):
        _link_file(folder / f"{stem}.{suffix}", target / f"{stem}.{suffix}")
    sync_folder(target)


def promote(found: LoadedCheckpoint) -> None:
    """Make the loaded checkpoint ``ckpt_last.pt``, with its manifest, unless it already is.

    Otherwise the next save would overwrite it and keep a rejected file as the previous generation.

    Raises:
        CheckpointError: If it cannot be written.
    """
    folder, last = found.path.parent, found.path.with_name(f"{LAST}.pt")
    with writing(folder):
        if found.path.stem == f"{LAST}.prev":
            os.replace(found.path, last)
        elif found.path != last:
            _copy_file(found.path, last)
        if read_manifest(folder, LAST) != found.manifest:
            _write_manifest(folder, LAST, found.manifest)


def delete(folder: Path, stem: str) -> None:
    """Remove a checkpoint and its manifest if they exist."""
    (folder / f"{stem}.pt").unlink(missing_ok=True)
    (folder / f"{stem}.json").unlink(missing_ok=True)
    sync_folder(folder)


def forget(folder: Path) -> None:
    """Remove previous generations left over from a run whose checkpoints the user deleted."""
    for stem in (LAST, BEST):
        delete(folder, f"{stem}.prev")


def find(folder: Path, *stems: str) -> LoadedCheckpoint | None:
    """Load the first valid checkpoint among the stems, trying both generations of each; None if no file exists.

    Raises:
        CheckpointError: If files exist but none of them is valid.
    """
    return _first_good([path for stem in stems for path in _generations(folder, stem)])


def find_last(folder: Path) -> LoadedCheckpoint | None:
    """Load the checkpoint to resume from: the last one, or else the newest valid one; None if there is none.

    Raises:
        CheckpointError: If files exist but none of them is valid.
    """
    last, best = _generations(folder, LAST), _generations(folder, BEST)

    def step(path: Path) -> int:
        manifest = read_manifest(folder, path.stem)
        return manifest.step if manifest else -1

    return _first_good([*last[:1], *sorted([*last[1:], *best], key=step, reverse=True)])


def _generations(folder: Path, stem: str) -> list[Path]:
    """Return the files of a checkpoint, newest first; empty if the newest is missing, as the user deleted it."""
    paths = [folder / f"{stem}.pt", folder / f"{stem}.prev.pt"]
    return [path for path in paths if path.exists()] if paths[0].exists() else []


def _first_good(paths: list[Path]) -> LoadedCheckpoint | None:
    rejected: list[str] = []
    for path in paths:
        stem = path.stem.removesuffix(".prev")
        manifests = (read_manifest(path.parent, stem), read_manifest(path.parent, f"{stem}.prev"))
        try:
            return LoadedCheckpoint(
                path, *_read(path, {manifest.sha256: manifest for manifest in manifests if manifest}), rejected
            )
        except CheckpointError as error:
            rejected.append(str(error))
    if rejected:
        raise CheckpointError(
            f"no checkpoint can be used: {'; '.join(rejected)}; restore a good one, or start over in another out_dir"
        )
    return None


def read(path: Path) -> LoadedCheckpoint:
    """Load one checkpoint file, verified against the manifest next to it.

    Raises:
        CheckpointError: If it cannot be used.
    """
    manifest = read_manifest(path.parent, path.stem)
    return LoadedCheckpoint(path, *_read(path, {manifest.sha256: manifest} if manifest else {}), [])


def without_manifest(path: Path) -> str:
    """Return the error message for a checkpoint that was copied without its manifest."""
    return (
        f"{path} cannot be verified: {path.stem}.json, which has its SHA-256, is missing; copy it from where the"
        " checkpoint was written"
    )


def load_tensors(path: Path) -> object:
    """Load a file written by ``torch.save`` without executing code from it.

    Raises:
        CheckpointError: If it is not such a file, or contains more than tensors and plain data.
    """
    try:
        with warnings.catch_warnings():
            # Foreign pickles trigger this warning; they are reported as an error below.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            content: object = torch.load(path, map_location="cpu", weights_only=True)
    except _LOAD_ERRORS as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read: {reason[:200]}") from None
    return content


def _read(path: Path, known: dict[str, Manifest]) -> tuple[Checkpoint, Manifest]:
    try:
        with open_regular(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    if digest not in known:
        expected = path.with_suffix(".json")
        if not known and not expected.exists():
            raise CheckpointError(without_manifest(path))
        raise CheckpointError(f"{path} does not match its manifest's SHA-256")
    content = load_tensors(path)
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise CheckpointError(f"{path} is not a checkpoint: it has no format")
    if content["format"] not in (1, FORMAT):
        raise CheckpointError(f"{path} has format {content['format']}; this version reads 1 and {FORMAT}")
    _upgrade(cast("dict[str, object]", content))
    if problem := schema_mismatch(cast("object", content), Checkpoint, "checkpoint"):
        raise CheckpointError(f"{path} is not a checkpoint: {problem}")
    checkpoint, manifest = cast("Checkpoint", content), known[digest]
    if checkpoint["state"]["progress"].get("step") != manifest.step:
        raise CheckpointError(f"{path} is not of step {manifest.step}, as its manifest says")
    return checkpoint, manifest


def _upgrade(content: dict[str, object]) -> None:
    """Upgrade the content of a format 1 file in place, as far as its structure is valid."""
    state = content.get("state")
    optimizer = cast("dict[str, object]", state).get("optimizer") if isinstance(state, dict) else None
    if content["format"] == 1 and isinstance(optimizer, dict):
        for old, new in _RENAMED_SINCE_1.items():
            if old in optimizer:
                optimizer[new] = optimizer.pop(old)
        content["format"] = FORMAT


@contextlib.contextmanager
def writing(folder: Path) -> Generator[None]:
    """Context for writing checkpoints, which raises :class:`CheckpointError` for an ``OSError``."""
    try:
        yield
    except OSError as error:
        raise CheckpointError.of_files(folder, error) from error


def _serialize(checkpoint: Checkpoint, file: BinaryIO) -> None:
    try:
        torch.save(checkpoint, file)
        file.flush()
    except RuntimeError as error:
        # After a failed write torch still tries to finalize its archive, which fails as well.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _copy_file(source: Path, target: Path) -> None:
    with replacing(target) as copied, source.open("rb") as original:
        shutil.copyfileobj(original, copied, 1 << 20)


def _link_file(source: Path, target: Path) -> None:
    """Replace ``target`` by a hard link to ``source``, atomically."""
    spare = target.with_name(f".{target.name}")
    spare.unlink(missing_ok=True)
    try:
        os.link(source, spare)
    except OSError:  # file system without hard links
        _copy_file(source, spare)
    os.replace(spare, target)


def _refuse_full_disk(folder: Path, checkpoint: Checkpoint) -> None:
    needed = _bytes(checkpoint) + _OVERHEAD_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"{folder}: the disk is full: a checkpoint needs {needed:,} bytes and {free:,} are free; make room, then"
            f" run the same command again: {kept(folder)}"
        )


def _bytes(tree: object) -> int:
    """Return the total size in bytes of all tensors in nested containers."""
    if isinstance(tree, torch.Tensor):
        return tree.nbytes
    if isinstance(tree, dict):
        return sum(map(_bytes, cast("dict[object, object]", tree).values()))
    if isinstance(tree, (list, tuple)):
        return sum(map(_bytes, cast("list[object]", tree)))
    return 0


def _keep_generation(folder: Path, stem: str) -> None:
    """Hard-link the files of ``stem`` to a second name, so that they survive their replacement and a power failure."""
    for suffix in ("json", "pt"):
        current = folder / f"{stem}.{suffix}"
        if current.exists():
            _link_file(current, folder / f"{stem}.prev.{suffix}")
    sync_folder(folder)


def _describe(path: Path, step: int, val_loss: float | None) -> Manifest:
    with path.open("rb") as file:
        return Manifest(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size, step, val_loss)


def _write_manifest(folder: Path, stem: str, manifest: Manifest) -> None:
    write_text(folder / f"{stem}.json", to_json(vars(manifest)))
