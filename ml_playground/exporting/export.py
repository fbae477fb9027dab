"""``mlp export``: write a trained model for another program, and prove that it runs there as here."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from pathlib import Path

from ml_playground.config import ExperimentConfig
from ml_playground.durable import write_text
from ml_playground.errors import RunError
from ml_playground.exporting.card import EXPERIMENT, experiment_text, gguf_use, model_card, ollama_use, transformers_use
from ml_playground.exporting.converter import check_programs, convert, first_type, quantize
from ml_playground.exporting.gguf import write_gguf
from ml_playground.exporting.hugging_face import prove_hugging_face, write_hugging_face
from ml_playground.exporting.llama_cpp import Verification, llama_cpp, verify_gguf
from ml_playground.exporting.ollama import MODELFILE, create, file_stem, model_name, modelfile
from ml_playground.exporting.place import move_aside, placing, write_record
from ml_playground.exporting.proof import Proof
from ml_playground.exporting.subject import Subject, load_subject
from ml_playground.runs.manifest import now, versions
from ml_playground.terminal.console import say

_NOT_VERIFIED = "not verified: llama.cpp is not installed; pip install 'ml-playground[verify]'"


def export(config: ExperimentConfig, target: str) -> Path:
    """Export the checkpoint that sampling uses, and return the folder.

    Args:
        config: The experiment.
        target: ``hf``, ``gguf`` or ``ollama``.

    Raises:
        UserError: If there is no checkpoint, a program is missing, or the folder has files that no export wrote.
        RunError: If a file cannot be written, or the other program computes something else than our model.
    """
    if target != "hf":
        check_programs(config.export.ollama)
    return {"hf": export_hugging_face, "gguf": export_gguf, "ollama": export_ollama}[target](load_subject(config))


def export_hugging_face(subject: Subject) -> Path:
    """Write a folder for transformers."""
    folder = subject.config.export.export_dir / "hf"
    _announce(subject, folder)
    with placing(folder) as partial:
        write, prove = write_hugging_face, prove_hugging_face
        if subject.model.args.get("family") == "hf":
            # Imported lazily, because it imports peft.
            from ml_playground.exporting.finetuned import prove_finetuned, write_finetuned

            write, prove = write_finetuned, prove_finetuned
        write(subject, partial)
        with _rejecting(partial, folder):
            proof = prove(subject, partial)
        _describe(subject, partial, "hf", transformers_use(subject.config.sample.sample.start), proof)
    say(f"exported: {folder}; {_outcome(proof)}")
    return folder


def export_gguf(subject: Subject) -> Path:
    """Write a GGUF file for llama.cpp."""
    folder = subject.config.export.export_dir / "gguf"
    with placing(folder) as partial:
        path, figures = _gguf(subject, partial, folder)
        _describe(subject, partial, "gguf", gguf_use(path.name), figures)
    say(f"exported: {folder / path.name}; {_outcome(figures)}")
    return folder


def export_ollama(subject: Subject) -> Path:
    """Write a GGUF file and a Modelfile, and add the model to Ollama where that is installed."""
    folder, name = subject.config.export.ollama.export_dir, model_name(subject)
    with placing(folder) as partial:
        path, figures = _gguf(subject, partial, folder)
        write_text(partial / MODELFILE, modelfile(subject, path.name))
        _describe(subject, partial, "ollama", ollama_use(name), figures)
    create(name, folder)
    say(f"exported: {folder}; {_outcome(figures)}")
    return folder


def _gguf(subject: Subject, partial: Path, folder: Path) -> tuple[Path, Proof | Verification | None]:
    """Write and verify the GGUF file."""
    config, name = subject.config.export.ollama, model_name(subject)
    path = partial / f"{file_stem(name)}-{config.quant.name}.gguf"
    source = path if first_type(config.quant) is config.quant else partial / "source.gguf"
    if config.convert_bin:
        hf = export_hugging_face(subject)
        _announce(subject, folder)
        convert(config.convert_bin, hf, source, first_type(config.quant))
    else:
        _announce(subject, folder)
        write_gguf(subject.trained, source, first_type(config.quant).name, name=name)
    if config.quant_bin and source != path:
        quantize(config.quant_bin, source, path, config.quant)
        source.unlink()
    if llama_cpp() is None:
        return path, None
    with _rejecting(partial, folder):
        return path, verify_gguf(subject.trained, path, config.quant.name, subject.windows().inputs)


def _announce(subject: Subject, folder: Path) -> None:
    say(f"exporting: {subject.trained.path}, step {subject.trained.step:,}, to {folder}")


def _outcome(figures: Proof | Verification | None) -> str:
    return f"verified with {figures.program}: {figures.summary()}" if figures else _NOT_VERIFIED


def _describe(subject: Subject, partial: Path, target: str, use: str, figures: Proof | Verification | None) -> None:
    """Write the model card, the experiment, and the record."""
    lines = figures.lines() if figures else [f"- {_NOT_VERIFIED}"]
    write_text(partial / "README.md", model_card(subject, use, lines))
    write_text(partial / EXPERIMENT, experiment_text(subject))
    write_record(
        partial,
        {
            "target": target,
            "experiment": subject.config.experiment,
            "checkpoint": str(subject.trained.path),
            "step": subject.trained.step,
            "verified_with": figures.program if figures else None,
            "proof": dataclasses.asdict(figures) if figures else None,
            "exported": now(),
            "versions": versions(),
        },
    )


@contextlib.contextmanager
def _rejecting(partial: Path, folder: Path) -> Generator[None]:
    """Move an export aside if verifying it fails."""
    try:
        yield
    except RunError as error:
        write_record(partial, {"rejected": str(error)})
        target = move_aside(partial, folder)
        raise RunError(f"{folder}: not exported: {error}; the files are in {target}") from None
