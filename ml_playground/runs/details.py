"""What there is to know about one run."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ml_playground.durable import read_regular
from ml_playground.errors import UserError
from ml_playground.runs.groups import Member, load_member, load_run
from ml_playground.runs.notes import Note, read_notes
from ml_playground.runs.settings import differing, relevant


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file and what its manifest says."""

    file: str
    step: int | None
    val_loss: float | None
    bytes: int


@dataclass(frozen=True)
class Details:
    """A run with its files."""

    member: Member
    changed: dict[str, tuple[object, object]] | None
    """Settings that differ from the experiment's file: value in the run and there; None if the file cannot be read."""
    checkpoints: list[Checkpoint]
    sample: tuple[int, str] | None
    """Step and text of the last sample."""
    notes: list[Note]
    commands: dict[str, str]
    """What can be done with the run, and how."""


def find_details(name: str) -> Details:
    """Collect what is known about a run, given by the path of its folder or its name below ``outputs``.

    Raises:
        RunFolderError: If there is no such run.
    """
    member = load_member(load_run(name))
    folder = member.run.folder
    samples = member.curves.samples
    return Details(
        member,
        _changed(member),
        [_checkpoint(path) for path in sorted(folder.glob("ckpt_*.pt"))],
        samples[-1] if samples else None,
        read_notes(folder),
        _commands(folder, member.run.manifest.experiment, finished=member.run.status == "finished"),
    )


def _changed(member: Member) -> dict[str, tuple[object, object]] | None:
    from ml_playground.composition.load import load_experiment
    from ml_playground.composition.snapshot import settings, settings_of

    try:
        config = load_experiment(member.run.manifest.experiment)
    except UserError:
        return None
    theirs = relevant({**settings_of(config.prepare, "prepare."), **settings(config)})
    return {key: (member.settings.get(key), theirs.get(key)) for key in differing([member.settings, theirs])}


def _checkpoint(path: Path) -> Checkpoint:
    try:
        record: object = json.loads(read_regular(path.with_suffix(".json")))
    except (OSError, ValueError, RecursionError):
        record = None
    table = cast("dict[str, object]", record) if isinstance(record, dict) else {}
    step, loss = table.get("step"), table.get("val_loss")
    return Checkpoint(
        path.name,
        step if isinstance(step, int) else None,
        loss if isinstance(loss, float) else None,
        path.stat().st_size,
    )


def _commands(folder: Path, experiment: str, *, finished: bool) -> dict[str, str]:
    config = ["--exp-config", str(folder / "config.toml")]
    commands = {
        "resume": ["mlp", "train", experiment, *config],
        "repeat": ["mlp", "repeat", str(folder)],
        "sample": ["mlp", "sample", experiment, *config],
        "export": ["mlp", "export", experiment, *config, "--to", "hf"],
        "compare": ["mlp", "compare", str(folder), "OTHER"],
    }
    return {name: shlex.join(words) for name, words in commands.items() if not (finished and name == "resume")}
