"""``run.json``: description, progress and environment of a run."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, cast

from ml_playground.durable import read_regular, to_json, write_text

Status = Literal["running", "finished", "pruned", "interrupted", "failed"]
_TOO_LARGE = 2**63
_PACKAGES = ("ml-playground", "torch", "numpy", "hydra-core", "omegaconf")


def now() -> str:
    """Return the current UTC time in ISO 8601 format, with seconds precision."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect results."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def git_state() -> dict[str, str | bool] | None:
    """Return the commit of the working directory and whether it has uncommitted changes; None if unknown."""
    try:
        commit, status = (
            subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10).stdout
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "dirty": bool(status)}


@dataclass(frozen=True)
class Origin:
    """Why a run exists, if it is not an experiment's own."""

    params: Mapping[str, object] = field(default_factory=dict[str, object])
    """Values of a sweep's trial by dotted key; empty for other runs."""
    repeat_of: str | None = None
    """Folder of the run that this one repeats."""


@dataclass
class RunManifest:
    """Record of a run, written by its current session; later sessions replace it."""

    experiment: str
    status: Status
    max_iters: int
    data: str
    """Fingerprint of the dataset."""
    hardware: str
    """Device, threads and data type."""
    processor: str = ""
    """Model name of the device's processor."""
    step: int = 0
    tokens: int = 0
    parameters: int = 0
    trained_parameters: int = 0
    """Fewer than ``parameters`` if adapters are trained."""
    seconds: float = 0.0
    """Time spent in training steps, over all sessions."""
    cpu_seconds: float = 0.0
    """CPU time of all threads of the process, over all sessions, as far as it was saved."""
    flops: float = 0.0
    """Floating point operations of training, over all sessions."""
    val_loss: float | None = None
    """Last validation loss, in nats per token."""
    best_val_loss: float | None = None
    """Lowest validation loss, in nats per token."""
    bytes_per_token: float | None = None
    """Bytes of validation text per token, which converts a loss to bits per byte."""
    best: float | None = None
    """Best value of ``ckpt_metric``, smoothed as ``best_smoothing_alpha`` says."""
    best_step: int = -1
    seed: int | None = None
    params: dict[str, object] = field(default_factory=dict[str, object])
    """As in :class:`Origin`."""
    repeat_of: str | None = None
    tokenizer: str = ""
    """Kind of the tokenizer."""
    vocab_size: int = 0
    block_size: int = 0
    """Context length in training, in tokens."""
    eval_block_size: int = 0
    """Context length in evaluations, in tokens."""
    val_text: str = ""
    """SHA-256 of the validation text; empty if it is unknown."""
    resumed_from: int | None = None
    """Step from which this session resumed; None for a new run."""
    started: str = field(default_factory=now)
    """Start time of this session, in UTC."""
    ended: str | None = None
    error: str | None = None
    command: list[str] = field(default_factory=lambda: list(sys.argv))
    git: dict[str, str | bool] | None = field(default_factory=git_state)
    """Commit and dirty flag of the working directory; None outside a repository."""
    versions: dict[str, str] = field(default_factory=versions)
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)

    @property
    def bits_per_byte(self) -> float | None:
        """Lowest validation loss in bits per byte of text, which is comparable across tokenizers."""
        return self.to_bits_per_byte(self.best_val_loss)

    def to_bits_per_byte(self, val_loss: float | None) -> float | None:
        """Convert a validation loss in nats per token; None if either number is unknown."""
        if val_loss is None or not self.bytes_per_token:
            return None
        return val_loss / math.log(2) / self.bytes_per_token

    @property
    def vocabulary(self) -> str:
        """Tokenizer and size of its vocabulary, such as ``bpe 4,096``; empty if it is unknown."""
        return f"{self.tokenizer} {self.vocab_size:,}" if self.tokenizer else ""

    @property
    def machine(self) -> str:
        """Processor and hardware."""
        return ", ".join(filter(None, [self.processor, self.hardware]))

    def commit(self, digits: int | None = None) -> str:
        """Return the commit, or its first digits, and whether there were changes; empty if it is unknown."""
        git = self.git or {}
        return str(git.get("commit") or "")[:digits] + (" with changes" if git.get("dirty") else "")

    @property
    def tokens_per_second(self) -> float | None:
        """Mean speed of the training steps."""
        return self.tokens / self.seconds if self.seconds else None

    def write(self, folder: Path) -> None:
        """Write ``run.json`` in the folder, replacing an existing one."""
        write_text(folder / "run.json", to_json(dataclasses.asdict(self), indent=1))


_KINDS: dict[tuple[str, ...], tuple[type, ...]] = {
    ("experiment", "status", "data", "hardware", "processor", "tokenizer", "val_text"): (str,),
    ("max_iters", "step", "best_step", "tokens", "parameters", "trained_parameters"): (int,),
    ("vocab_size", "block_size", "eval_block_size"): (int,),
    ("seconds", "cpu_seconds", "flops"): (int, float),
    ("resumed_from", "seed"): (int, type(None)),
    ("best", "best_val_loss", "val_loss", "bytes_per_token"): (int, float, type(None)),
    ("params", "versions"): (dict,),
    ("git",): (dict, type(None)),
    ("repeat_of", "error"): (str, type(None)),
}
"""Expected types of the keys that others read."""


def read_manifest(folder: Path) -> RunManifest:
    """Read and validate a folder's ``run.json``.

    Raises:
        OSError, ValueError, TypeError, RecursionError: If it cannot be read, or is not a valid run record.
    """
    record: object = json.loads(read_regular(folder / "run.json"))
    if not isinstance(record, dict):
        raise TypeError("no table")
    table = cast("dict[str, object]", record)
    for names, kinds in _KINDS.items():
        for name in names:
            value = table.get(name, kinds[0]())
            if not isinstance(value, kinds) or (isinstance(value, float) and not math.isfinite(value)):
                raise TypeError(f"{name} is of type {type(value).__name__}")
            if isinstance(value, int) and abs(value) >= _TOO_LARGE:
                raise ValueError(f"{name} is too large")
    if datetime.fromisoformat(str(table.get("ended") or table.get("started"))).tzinfo is None:
        raise ValueError("no time zone")
    known = {field.name for field in dataclasses.fields(RunManifest)}
    return RunManifest(**{key: value for key, value in table.items() if key in known})  # type: ignore[arg-type]  # checked


def says_finished(folder: Path) -> bool:
    """Return whether the folder's ``run.json`` can be read and its status is finished."""
    manifest = find_manifest(folder)
    return manifest is not None and manifest.status == "finished"


def read_step(folder: Path) -> int | None:
    """Return the step recorded in the folder's ``run.json``; None if it cannot be read."""
    manifest = find_manifest(folder)
    return manifest.step if manifest else None


def find_manifest(folder: Path) -> RunManifest | None:
    """Read the folder's ``run.json``; None if it cannot be read."""
    try:
        return read_manifest(folder)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
