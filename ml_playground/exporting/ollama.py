"""Ollama's Modelfile, and its command."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from ml_playground.errors import RunError, UserError, printable
from ml_playground.exporting.subject import Subject
from ml_playground.terminal.console import say
from ml_playground.text.tokenizer import Tokenizer, is_chat

MODELFILE = "Modelfile"
_BINARY = "ollama"
_QUOTES = '"""'
_PROMPT = "{{ .Prompt }}"


def model_name(subject: Subject) -> str:
    """Return the model's name in Ollama, as set or made from the experiment's."""
    config = subject.config
    made = re.sub(r"[^a-z0-9._-]+", "-", config.experiment.lower()).strip("-._")
    return config.export.ollama.model_name or made or "model"


def file_stem(name: str) -> str:
    """Return the beginning of a file name for a model's name, which may have an owner and a tag."""
    return name.replace("/", "-").replace(":", "-")


def modelfile(subject: Subject, gguf: str) -> str:
    """Return the Modelfile for a GGUF file beside it.

    Raises:
        UserError: If a stop string contains three quotes.
    """
    config, sampling = subject.config.export.ollama, subject.config.sample.sample
    tokens = sampling.token_sampling(subject.model.generation.settings)
    parameters: dict[str, object] = {
        "num_ctx": subject.model.block_size,
        "num_predict": sampling.max_new_tokens,
        "temperature": tokens.temperature,
        "top_k": tokens.top_k,
        "top_p": tokens.top_p,
        "min_p": tokens.min_p,
        "repeat_penalty": tokens.repetition_penalty,
        "repeat_last_n": -1,
    }
    lines = [f"FROM ./{gguf}", f"TEMPLATE {_quoted(config.template or _template(subject.tokenizer))}"]
    lines += [f"SYSTEM {_quoted(config.system)}"] if config.system else []
    lines += [f"PARAMETER {name} {value}" for name, value in parameters.items()]
    for stop in sampling.stop:
        if _QUOTES in stop:
            raise UserError(f"sample.sample.stop: {stop!r} cannot be written to a Modelfile; remove the three quotes")
        lines.append(f"PARAMETER stop {_quoted(stop)}")
    return "\n".join(lines) + "\n"


def _template(tokenizer: Tokenizer) -> str:
    """Return the prompt as it is or, for chats, a user's turn up to where the answer begins."""
    if not is_chat(tokenizer) or tokenizer.template is None:
        return _PROMPT
    turn = tokenizer.template.render([{"role": "user", "content": _PROMPT}], prompt=True)
    start = next((token for token, place in tokenizer.special.items() if place == tokenizer.start_of_text), "")
    return turn.removeprefix(start)  # llama.cpp adds it


def create(name: str, folder: Path) -> None:
    """Print the command that adds the model to Ollama, and run it where Ollama is installed.

    Raises:
        RunError: If it fails.
    """
    path = folder / MODELFILE
    command = [_BINARY, "create", name, "-f", str(path)]
    say(f"to add it to Ollama: {' '.join(command)}")
    if not shutil.which(_BINARY):
        say("note: it was not run, because ollama is not installed here")
        return
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        reason = printable(lines[-1].strip()) if lines else f"exit code {done.returncode}"
        raise RunError(f"ollama create failed: {reason}; the files are in {folder}")
    say(f"added to Ollama: ollama run {name}")


def _quoted(text: str) -> str:
    return f"{_QUOTES}{text}{_QUOTES}"
