"""``mlp export``: write a trained model for another program, and prove that it runs there as here."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from pathlib import Path

from ml_playground.config import ExperimentConfig
from ml_playground.durable import write_text
from ml_playground.errors import RunError
from ml_playground.exporting.card import EXPERIMENT, experiment_text, model_card, transformers_use
from ml_playground.exporting.hugging_face import prove_hugging_face, write_hugging_face
from ml_playground.exporting.place import move_aside, placing, write_record
from ml_playground.exporting.subject import Subject, load_subject
from ml_playground.runs.manifest import now, versions
from ml_playground.terminal.console import say


def export_hugging_face(config: ExperimentConfig) -> Path:
    """Write a folder for transformers, prove it, and return it.

    Raises:
        UserError: If there is no checkpoint, or the folder has files that no export wrote.
        RunError: If a file cannot be written, or transformers computes something else than our model.
    """
    subject = load_subject(config)
    folder = config.export.export_dir / "hf"
    say(f"exporting: {subject.trained.path}, step {subject.trained.step:,}, to {folder}")
    with placing(folder) as partial:
        write_hugging_face(subject, partial)
        with _rejecting(partial, folder):
            proof = prove_hugging_face(subject, partial)
        use = transformers_use(config.sample.sample.start)
        write_text(partial / "README.md", model_card(subject, use, proof.lines()))
        write_text(partial / EXPERIMENT, experiment_text(subject))
        write_record(partial, _record(subject, "hf", proof.program, dataclasses.asdict(proof)))
    say(f"exported: {folder}; verified with {proof.program}: {proof.summary()}")
    return folder


@contextlib.contextmanager
def _rejecting(partial: Path, folder: Path) -> Generator[None]:
    """Move an export aside if verifying it fails."""
    try:
        yield
    except RunError as error:
        write_record(partial, {"rejected": str(error)})
        target = move_aside(partial, folder)
        raise RunError(f"{folder}: not exported: {error}; the files are in {target}") from None


def _record(subject: Subject, target: str, program: str | None, proof: dict[str, object]) -> dict[str, object]:
    trained = subject.trained
    return {
        "target": target,
        "experiment": subject.config.experiment,
        "checkpoint": str(trained.path),
        "step": trained.step,
        "verified_with": program,
        "proof": proof,
        "exported": now(),
        "versions": versions(),
    }
