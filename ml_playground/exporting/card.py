"""The model card: what the model is, what it learned from, how good it is, how it was verified, how to repeat it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

from ml_playground.composition.snapshot import snapshot
from ml_playground.durable import read_regular
from ml_playground.errors import printable
from ml_playground.exporting.subject import Subject
from ml_playground.runs.manifest import RunManifest, find_manifest

EXPERIMENT = "experiment.toml"
_USE = """\
```python
from transformers import pipeline

write = pipeline("text-generation", model="path/of/this/folder")
print(write({start!r})[0]["generated_text"])
```"""


def model_card(subject: Subject, use: str, verification: Iterable[str]) -> str:
    """Return the README.md of an export.

    Args:
        subject: The model.
        use: How to use the export, in Markdown.
        verification: Sentences on what was compared.
    """
    config, manifest = subject.config, find_manifest(subject.trained.path.parent)
    sections = {
        "Use": [use],
        "Model": _table(subject.model.args.items()),
        "Data": _data(subject),
        "Training": _table(_training(subject, manifest)),
        "Verification": list(verification),
        "How to repeat it": _repeat(subject, manifest),
    }
    base = subject.model.args.get("path")
    head = ["---", "pipeline_tag: text-generation", "tags:", "- ml-playground"]
    head += [f"base_model: {json.dumps(base)}"] if base else []
    head += ["---", f"# {printable(config.experiment)}"]
    description = [printable(config.description)] if config.description else []
    body = [line for title, lines in sections.items() for line in ("", f"## {title}", *lines)]
    return "\n".join([*head, *description, *body]) + "\n"


def experiment_text(subject: Subject) -> str:
    """Return the experiment as a file that repeats the run: the run's own snapshot, or else the present settings."""
    try:
        return read_regular(subject.trained.path.parent / "config.toml").decode()
    except (OSError, ValueError):
        return snapshot(subject.config)


def transformers_use(start: str) -> str:
    """Return how to write text with transformers, in Markdown."""
    return _USE.format(start=start)


def gguf_use(file: str) -> str:
    """Return how to write text with llama.cpp, in Markdown."""
    return f"```sh\nllama-completion -m {file} -p 'Text to continue'\n```"


def ollama_use(name: str) -> str:
    """Return how to write text with Ollama, in Markdown."""
    return f"```sh\nollama create {name} -f Modelfile\nollama run {name}\n```"


def _data(subject: Subject) -> list[str]:
    if subject.dataset is None:
        return ["The data was not available when this card was written."]
    meta = subject.dataset.meta
    rows: dict[str, object] = {
        "source": meta.source,
        "documents": f"{meta.documents:,}",
        "characters": f"{meta.characters:,}",
        "tokenizer": f"{meta.tokenizer['kind']}, {meta.vocab_size:,} tokens",
        "training tokens": f"{meta.train_tokens:,}",
        "validation tokens": f"{meta.val_tokens:,}",
        "fingerprint": meta.fingerprint,
    }
    return _table(rows.items())


def _training(subject: Subject, manifest: RunManifest | None) -> list[tuple[str, object]]:
    trained = subject.trained
    rows: list[tuple[str, object]] = [("checkpoint", trained.path), ("step", f"{trained.step:,}")]
    if manifest is None:
        return rows
    if trained.val_loss is not None and math.isfinite(trained.val_loss):
        rows += [("validation loss, nats per token", f"{trained.val_loss:.4f}")]
        rows += [("validation perplexity", f"{math.exp(trained.val_loss):.3f}")]
        if subject.dataset:
            rows += [("validation bits per byte", f"{subject.dataset.bits_per_byte(trained.val_loss):.4f}")]
    rows += [("tokens seen in the whole run", f"{manifest.tokens:,}"), ("parameters", f"{manifest.parameters:,}")]
    return [*rows, ("hardware", manifest.hardware)]


def _repeat(subject: Subject, manifest: RunManifest | None) -> list[str]:
    name = subject.config.experiment
    lines = [f"`{EXPERIMENT}` has all settings. With ml-playground, the same run is", "", "```sh"]
    if manifest and manifest.git:
        changes = "  # with changes that were not committed" if manifest.git.get("dirty") else ""
        lines += [f"git checkout {manifest.git['commit']}{changes}"]
    lines += [f"uv run mlp train {printable(name)} --exp-config {EXPERIMENT}", "```"]
    if manifest:
        lines += ["", *_table(manifest.versions.items())]
    return lines


def _table(rows: Iterable[tuple[str, object]]) -> list[str]:
    return ["| | |", "|---|---|", *(f"| {_cell(name)} | {_cell(value)} |" for name, value in rows)]


def _cell(value: object) -> str:
    return printable(str(value)).replace("|", "\\|")
