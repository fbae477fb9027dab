"""Other programs that make GGUF files: llama.cpp's converter and its quantizer. Their arguments are lists, no shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ml_playground.errors import RunError, UserError, printable
from ml_playground.exporting.config import WRITTEN, OllamaConfig, Quant
from ml_playground.terminal.console import say

_SHOWN = 20
"""Lines of a program's output that are shown if it fails."""


def check_programs(config: OllamaConfig) -> None:
    """Check that the programs exist that ``[export.ollama]`` names.

    Raises:
        UserError: If one is missing, or cannot be run.
    """
    for key in ("convert_bin", "quant_bin"):
        path: Path | None = getattr(config, key)
        if path is None:
            continue
        if not path.is_file():
            raise UserError(f"export.ollama.{key}: {path} does not exist; name the program, or remove the key")
        if path.suffix != ".py" and not os.access(path, os.X_OK):
            raise UserError(f"export.ollama.{key}: {path} is not executable; run chmod +x on it")


def convert(program: Path, folder: Path, path: Path, quant: Quant) -> None:
    """Convert a Hugging Face folder with llama.cpp's converter, or one with the same arguments.

    Raises:
        RunError: If it fails, or writes nothing.
    """
    _run(program, [str(folder), "--outfile", str(path), "--outtype", quant.name], path)


def quantize(program: Path, source: Path, path: Path, quant: Quant) -> None:
    """Convert a GGUF file to another type with llama.cpp's ``llama-quantize``.

    Raises:
        RunError: If it fails, or writes nothing.
    """
    _run(program, [str(source), str(path), quant.name.upper()], path)


def first_type(quant: Quant) -> Quant:
    """Return the type of the file that is quantized, or the type itself if it needs no quantizer."""
    return quant if quant in WRITTEN else Quant.f16


def _run(program: Path, arguments: list[str], path: Path) -> None:
    interpreter = [sys.executable] if program.suffix == ".py" else []
    say(f"running: {program} {' '.join(arguments)}")
    try:
        done = subprocess.run(
            [*interpreter, str(program.absolute()), *arguments],
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise RunError(f"{program}: cannot be run: {error.strerror}") from None
    lines = [line for line in (done.stdout + done.stderr).decode(errors="replace").splitlines() if line.strip()]
    if done.returncode or not path.is_file():
        for line in lines[-_SHOWN:]:
            say(f"  {line}")
        failure = f"failed with exit code {done.returncode}" if done.returncode else "has not written its file"
        raise RunError(f"{program}: {failure}{f': {printable(lines[-1].strip())}' if lines else ''}")
