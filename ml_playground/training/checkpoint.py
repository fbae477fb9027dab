"""Checkpoint files: whole or absent, verified when read, never executed.

``<stem>.pt`` is the newest generation and ``<stem>.prev.pt`` the one before. ``<stem>.json`` and ``<stem>.prev.json``
have their SHA-256; a file whose hash neither of them knows is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import shutil
import struct
import warnings
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypedDict, cast, get_type_hints

import torch

from ml_playground.durable import open_regular, read_regular, replacing, sync_folder, to_json, write_text
from ml_playground.errors import CheckpointError, kept
from ml_playground.models.config import ModelArgs
from ml_playground.text.tokenizer import TokenizerState
from ml_playground.training.shape import schema_mismatch
from ml_playground.training.state import StateDict

FORMAT = 2
_RENAMED_SINCE_1 = {"mean": "exp_avg", "variance": "exp_avg_sq"}
"""Keys of the optimizer's state."""
_OVERHEAD_BYTES = 1 << 18
# What a damaged or hostile file can make torch raise; there is no common class below Exception.
_LOAD_ERRORS = (
    pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError,
    ArithmeticError, EOFError, OSError, MemoryError, struct.error,
)  # fmt: skip
LAST, BEST = "ckpt_last", "ckpt_best"


class Checkpoint(TypedDict):
    """What a checkpoint file holds."""

    format: int
    model_args: ModelArgs
    """Of the family; what names none is nanoGPT's."""
    tokenizer: TokenizerState
    data: str
    """Fingerprint of the dataset."""
    config: dict[str, object]
    """The settings of the run, by dotted key."""
    state: StateDict


@dataclass(frozen=True)
class Manifest:
    """``<stem>.json``."""

    sha256: str
    bytes: int
    step: int
    val_loss: float | None


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A checkpoint that was read, and what had to be passed over to get it."""

    path: Path
    checkpoint: Checkpoint
    manifest: Manifest
    rejected: list[str]

    @property
    def step(self) -> int:
        """Of the checkpoint."""
        return self.manifest.step


def save(folder: Path, stem: str, checkpoint: Checkpoint, step: int, val_loss: float | None) -> None:
    """Write a new generation of ``<stem>.pt``.

    A kill or a power cut at any moment leaves the new generation or the one before, with its hash in one of the two
    manifests. ``<stem>.pt`` comes last, so that it is good from the first save on: where it is missing, there was
    none, or somebody deleted it to start afresh.

    Raises:
        CheckpointError: it cannot be written.
    """
    with _writing(folder):
        _refuse_full_disk(folder, checkpoint)
        with replacing(folder / f"{stem}.pt") as file:
            _serialize(checkpoint, file)
            manifest = _describe(Path(file.name), step, val_loss)
            _keep_generation(folder, stem)
            _write_manifest(folder, stem, manifest)


def copy(folder: Path, source: str, stem: str) -> None:
    """Make ``<stem>.pt`` a copy of ``<source>.pt``, a file of its own, with its manifest.

    Raises:
        CheckpointError: it cannot be written.
    """
    manifest = read_manifest(folder, source)
    assert manifest is not None, "only what save() or promote() wrote is copied"
    with _writing(folder):
        _copy_file(folder / f"{source}.pt", folder / f"{stem}.pt")
        _write_manifest(folder, stem, manifest)


def promote(found: LoadedCheckpoint) -> None:
    """Make what was found ``ckpt_last.pt``, with its manifest, where it is not that already.

    Else the next save would push it out, and keep what was rejected as the generation before.

    Raises:
        CheckpointError: it cannot be written.
    """
    folder, last = found.path.parent, found.path.with_name(f"{LAST}.pt")
    with _writing(folder):
        if found.path.stem == f"{LAST}.prev":
            os.replace(found.path, last)
        elif found.path != last:
            _copy_file(found.path, last)
        if read_manifest(folder, LAST) != found.manifest:
            _write_manifest(folder, LAST, found.manifest)


def delete(folder: Path, stem: str) -> None:
    """Remove a checkpoint and its manifest, where they are."""
    (folder / f"{stem}.pt").unlink(missing_ok=True)
    (folder / f"{stem}.json").unlink(missing_ok=True)
    sync_folder(folder)


def forget(folder: Path) -> None:
    """Remove older generations, which belong to a run that somebody deleted."""
    for stem in (LAST, BEST):
        delete(folder, f"{stem}.prev")


def find(folder: Path, *stems: str) -> LoadedCheckpoint | None:
    """The first good one of the stems, each in both generations; None where no file of theirs exists.

    Raises:
        CheckpointError: there are files, and none of them is good.
    """
    return _first_good([path for stem in stems for path in _generations(folder, stem)])


def find_last(folder: Path) -> LoadedCheckpoint | None:
    """The checkpoint to resume from: the last one, or else the newest of what is good; None where there is none.

    Raises:
        CheckpointError: there are files, and none of them is good.
    """
    last, best = _generations(folder, LAST), _generations(folder, BEST)

    def step(path: Path) -> int:
        manifest = read_manifest(folder, path.stem)
        return manifest.step if manifest else -1

    return _first_good([*last[:1], *sorted([*last[1:], *best], key=step, reverse=True)])


def _generations(folder: Path, stem: str) -> list[Path]:
    """The files of a checkpoint, the newest first. Without the newest there is none: somebody deleted it."""
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
            f"no checkpoint can be used: {'; '.join(rejected)}; bring back a good one, or start afresh in another"
            " out_dir"
        )
    return None


def read(path: Path) -> LoadedCheckpoint:
    """One checkpoint file, verified by the manifest beside it.

    Raises:
        CheckpointError: it cannot be used.
    """
    manifest = read_manifest(path.parent, path.stem)
    return LoadedCheckpoint(path, *_read(path, {manifest.sha256: manifest} if manifest else {}), [])


def without_manifest(path: Path) -> str:
    """What is wrong with a checkpoint that was copied alone."""
    return (
        f"{path} cannot be verified: {path.stem}.json, which has its SHA-256, is missing; copy it from where the"
        " checkpoint was written"
    )


def read_manifest(folder: Path, stem: str) -> Manifest | None:
    """``<stem>.json``, or None where it is missing or damaged."""
    try:
        manifest = Manifest(**json.loads(read_regular(folder / f"{stem}.json")))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    fits = all(isinstance(vars(manifest)[name], kind) for name, kind in get_type_hints(Manifest).items())
    return manifest if fits else None


def load_tensors(path: Path) -> object:
    """The content of a file that ``torch.save`` wrote, without executing anything in it.

    Raises:
        CheckpointError: it is none, or it holds more than tensors and plain data.
    """
    try:
        with warnings.catch_warnings():
            # Of foreign pickles; what comes of them is an error below, and told as one.
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
        raise CheckpointError(f"{path} is no checkpoint: it does not say its format")
    if content["format"] not in (1, FORMAT):
        raise CheckpointError(f"{path} has format {content['format']}; this version reads 1 and {FORMAT}")
    _upgrade(cast("dict[str, object]", content))
    if problem := schema_mismatch(cast("object", content), Checkpoint, "checkpoint"):
        raise CheckpointError(f"{path} is no checkpoint: {problem}")
    checkpoint, manifest = cast("Checkpoint", content), known[digest]
    if checkpoint["state"]["progress"].get("step") != manifest.step:
        raise CheckpointError(f"{path} is not of step {manifest.step}, as its manifest says")
    return checkpoint, manifest


def _upgrade(content: dict[str, object]) -> None:
    """Bring the content of a file of format 1 into this format, as far as it is what it should be."""
    state = content.get("state")
    optimizer = cast("dict[str, object]", state).get("optimizer") if isinstance(state, dict) else None
    if content["format"] == 1 and isinstance(optimizer, dict):
        for old, new in _RENAMED_SINCE_1.items():
            if old in optimizer:
                optimizer[new] = optimizer.pop(old)
        content["format"] = FORMAT


@contextlib.contextmanager
def _writing(folder: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError.of_files(folder, error) from error


def _serialize(checkpoint: Checkpoint, file: BinaryIO) -> None:
    try:
        torch.save(checkpoint, file)
        file.flush()
    except RuntimeError as error:
        # torch still ends its archive after a write has failed, and fails at that in turn.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _copy_file(source: Path, target: Path) -> None:
    with replacing(target) as copied, source.open("rb") as original:
        shutil.copyfileobj(original, copied, 1 << 20)


def _refuse_full_disk(folder: Path, checkpoint: Checkpoint) -> None:
    needed = _bytes(checkpoint) + _OVERHEAD_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise CheckpointError(
            f"{folder}: the disk is full: a checkpoint needs {needed:,} bytes and {free:,} are free; make room, then"
            f" run the same command again: {kept(folder)}"
        )


def _bytes(tree: object) -> int:
    """Size of all tensors in nested containers."""
    if isinstance(tree, torch.Tensor):
        return tree.nbytes
    if isinstance(tree, dict):
        return sum(map(_bytes, cast("dict[object, object]", tree).values()))
    if isinstance(tree, (list, tuple)):
        return sum(map(_bytes, cast("list[object]", tree)))
    return 0


def _keep_generation(folder: Path, stem: str) -> None:
    """Give the files of ``stem`` a second name, under which they outlive their replacement, even in a power cut."""
    for suffix in ("json", "pt"):
        current, spare = folder / f"{stem}.{suffix}", folder / f".{stem}.prev.{suffix}"
        if current.exists():
            spare.unlink(missing_ok=True)
            try:
                os.link(current, spare)
            except OSError:  # a file system without hard links
                _copy_file(current, spare)
            os.replace(spare, folder / f"{stem}.prev.{suffix}")
    sync_folder(folder)


def _describe(path: Path, step: int, val_loss: float | None) -> Manifest:
    with path.open("rb") as file:
        return Manifest(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size, step, val_loss)


def _write_manifest(folder: Path, stem: str, manifest: Manifest) -> None:
    write_text(folder / f"{stem}.json", to_json(vars(manifest)))
