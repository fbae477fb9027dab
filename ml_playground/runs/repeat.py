"""Train a run again as its ``config.toml`` says, and tell whether the result is the same, bit for bit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ml_playground.composition.load import load_experiment
from ml_playground.experiments.prepare import prepare
from ml_playground.runs.folder import writing
from ml_playground.runs.groups import load_run
from ml_playground.runs.listing import OUTPUTS, RunSummary
from ml_playground.runs.manifest import Origin, RunManifest, find_manifest
from ml_playground.runs.metrics import read_metrics
from ml_playground.runs.moving import in_folder
from ml_playground.runs.train import train_in_folder
from ml_playground.terminal.console import say
from ml_playground.training import checkpoint as checkpoints
from ml_playground.training.checkpoint_manifest import LAST
from ml_playground.training.device import choose_hardware


@dataclass(frozen=True)
class Repetition:
    """Comparison of a run with its repetition."""

    folder: Path
    """Of the repetition."""
    equal: bool
    """Whether all common evaluations and, if both have a checkpoint of the same step, the weights are equal."""
    evaluations: int
    """Number of validation losses that were compared."""
    first_difference: int | None
    """First step with another validation loss."""
    weights_equal: bool | None
    """None if there are no checkpoints of the same step."""
    changed: dict[str, tuple[object, object]]
    """What differs in the records: before and now."""

    @property
    def text(self) -> str:
        """Return the result as a sentence."""
        weights = "" if self.weights_equal is None else " and the weights"
        if self.equal:
            return f"bit-equal: {self.evaluations} validation losses{weights} are the same in {self.folder}"
        what = f"from step {self.first_difference:,} on" if self.first_difference is not None else "in the weights only"
        reasons = ", ".join(f"{name}: {before} before, {now} now" for name, (before, now) in self.changed.items())
        why = reasons or "commit, versions, hardware and data are equal, so the computation is not deterministic here"
        return f"not equal: {self.folder} differs {what}; {why}"


def repeat(name: str) -> Repetition:
    """Repeat a run in a fresh folder, or resume its interrupted repetition.

    Raises:
        UserError: If there is no such run, or its settings cannot be used.
        RunError: If the repetition failed.
        Stopped: If a signal was received; the state is saved.
    """
    original = load_run(name)
    folder = _free_folder(original.folder)
    config = in_folder(load_experiment(original.manifest.experiment, original.folder / "config.toml"), folder)
    say(f"repeating: {original.folder} in {folder}")
    dataset, runtime = prepare(config), config.train.runtime
    hardware = choose_hardware(runtime.device, runtime.dtype, runtime.threads)
    with writing(folder):
        train_in_folder(config, dataset, hardware, origin=Origin(repeat_of=str(original.folder)))
    return compare_repetition(original, folder)


def compare_repetition(original: RunSummary, folder: Path) -> Repetition:
    """Compare a finished repetition with the original."""
    before, after = _val_losses(original.folder), _val_losses(folder)
    common = [step for step in before if step in after]
    different = [step for step in common if before[step] != after[step]]
    weights = _equal_weights(original.folder, folder)
    manifest = find_manifest(folder)
    changed = _changed(original.manifest, manifest) if manifest else {}
    equal = bool(common) and not different and weights is not False
    return Repetition(folder, equal, len(common), min(different, default=None), weights, changed)


def _free_folder(original: Path) -> Path:
    """Return a folder that does not exist, or that of an interrupted repetition."""
    inside = original.is_relative_to(OUTPUTS)
    stem = "-".join(original.relative_to(OUTPUTS).parts) if inside else original.name
    number = 1
    while True:
        suffix = "-repeat" if number == 1 else f"-repeat-{number}"
        folder = (OUTPUTS if inside else original.parent) / f"{stem}{suffix}"
        manifest = find_manifest(folder)
        unfinished = manifest and manifest.repeat_of == str(original) and manifest.status != "finished"
        if not folder.exists() or unfinished:
            return folder
        number += 1


def _val_losses(folder: Path) -> dict[int, object]:
    entries = read_metrics(folder / "metrics.jsonl")
    return {int(str(entry["step"])): entry["val/loss"] for entry in entries if "val/loss" in entry}


def _equal_weights(first: Path, second: Path) -> bool | None:
    ours, theirs = checkpoints.find(first, LAST), checkpoints.find(second, LAST)
    if ours is None or theirs is None or ours.step != theirs.step:
        return None
    before, now = (found.checkpoint["state"]["model"] for found in (ours, theirs))
    return before.keys() == now.keys() and all(torch.equal(before[name], now[name]) for name in before)


def _changed(before: RunManifest, now: RunManifest) -> dict[str, tuple[object, object]]:
    pairs = {
        "commit": ((before.git or {}).get("commit"), (now.git or {}).get("commit")),
        "uncommitted changes": ((before.git or {}).get("dirty"), (now.git or {}).get("dirty")),
        **{name: (before.versions.get(name), now.versions.get(name)) for name in {**before.versions, **now.versions}},
        "processor": (before.processor, now.processor),
        "hardware": (before.hardware, now.hardware),
        "data": (before.data, now.data),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
