"""Create the token files of instruction data: each example is a document with a mask of its answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from ml_playground.dataset.duplicates import duplicates
from ml_playground.dataset.examples import Example, ExampleEncoder
from ml_playground.dataset.prepared import FORMAT, Meta, Split, file_digest, lengths_name, mask_name
from ml_playground.dataset.split import val_documents
from ml_playground.durable import replacing
from ml_playground.errors import DataError
from ml_playground.terminal.progress import ByteProgress
from ml_playground.text.config import OnBadRow, PrepareConfig
from ml_playground.text.conversation import ConversationFile, RowError
from ml_playground.text.hf import read_chat_template
from ml_playground.text.ids import id_dtype

_ROWS_AT_ONCE = 256
_SHOWN = 5


def instruction_settings(config: PrepareConfig) -> list[str | int]:
    """Return the settings that affect the result of :func:`write_examples`, besides those of the tokenizer."""
    settings, template = config.instructions, read_chat_template(config) or ""
    digest = hashlib.sha256(template.encode()).hexdigest()
    return [settings.max_tokens, settings.truncation.name, settings.on_bad_row.name, digest]


def write_examples(folder: Path, config: PrepareConfig, source: ConversationFile, fingerprint: str) -> Meta:
    """Write the token, mask and length files of both splits.

    Raises:
        DataError: If a row cannot be used and ``on_bad_row = "stop"``, if fewer than two can, or if the tokenizer is of
            another kind or has no chat template.
    """
    if config.tokenizer != "hf":
        raise DataError(
            f'prepare.tokenizer = {config.tokenizer}: instruction data needs the tokenizer of a model; set "hf" and a'
            " tokenizer_path"
        )
    encoder, examples, bad = ExampleEncoder(config), list[Example](), list[RowError]()
    with ByteProgress("encoding", 0, source.path.stat().st_size) as progress:
        rows = source.rows()
        while batch := list(islice(rows, _ROWS_AT_ONCE)):
            for outcome in encoder.encode(batch):
                if isinstance(outcome, Example):
                    examples.append(outcome)
                    progress.advance(len(outcome.row.text.encode()))
                elif config.instructions.on_bad_row is OnBadRow.skip:
                    bad.append(outcome)
                else:
                    raise DataError(
                        f"{source.path}:{outcome.line}: {outcome}; fix the row, or skip such rows with"
                        ' [prepare.instructions] on_bad_row = "skip"'
                    )
    if len(examples) < 2:  # one for each split
        raise DataError(f"{source.path}: has {len(examples)} rows that can be used{_first(bad)}; two are the least")
    sizes = [len(example.row.text) for example in examples]
    chosen = val_documents(sizes, config.val_fraction, config.split_seed)
    splits: dict[Split, list[Example]] = {"train": [], "val": []}
    for_validation = set(chosen)
    for place, example in enumerate(examples):
        splits["val" if place in for_validation else "train"].append(example)
    dtype = id_dtype(encoder.tokenizer.vocab_size)
    files = [name for split, part in splits.items() for name in _write(folder, split, part, dtype)]
    return Meta(
        format=FORMAT,
        fingerprint=fingerprint,
        source=source.description,
        documents=len(examples),
        split_seed=config.split_seed,
        val_documents=chosen,
        characters=sum(sizes),
        train_tokens=_tokens(splits["train"]),
        val_tokens=_tokens(splits["val"]),
        val_bytes=sum(_answer_bytes(example) for example in splits["val"]),
        vocab_size=encoder.tokenizer.vocab_size,
        dtype=dtype,
        tokenizer=encoder.tokenizer.state,
        sha256={name: file_digest(folder / name) for name in files},
        normalize=config.normalize.name,
        targets={split: sum(int(example.mask.sum()) for example in part) for split, part in splits.items()},
        notes=_notes(examples, bad, splits),
    )


def _write(folder: Path, split: Split, examples: Sequence[Example], dtype: str) -> list[str]:
    names = [f"{split}.bin", mask_name(split), lengths_name(split)]
    with replacing(folder / names[0]) as tokens, replacing(folder / names[1]) as masks:
        for example in examples:
            tokens.write(example.ids.astype(dtype, copy=False).data)
            masks.write(example.mask.data)
    with replacing(folder / names[2]) as lengths:
        lengths.write(np.array([len(example.ids) for example in examples], dtype="<u4").data)
    return names


def _tokens(examples: Iterable[Example]) -> int:
    return sum(len(example.ids) for example in examples)


def _answer_bytes(example: Example) -> int:
    return sum(len(turn["content"].encode()) for turn in example.row.messages if turn["role"] == "assistant")


def _notes(examples: list[Example], bad: list[RowError], splits: dict[Split, list[Example]]) -> dict[str, str]:
    """Describe what is unusual, with line numbers."""
    notes: dict[str, str] = {}
    if bad:
        listed = "; ".join(f"line {error.line}: {error}" for error in bad[:_SHOWN])
        notes["skipped rows"] = f"{len(bad):,}: {listed}{_more(len(bad))}"
    if truncated := [example for example in examples if example.cut]:
        first = truncated[0]
        notes["truncated rows"] = (
            f"{len(truncated):,} of {len(examples):,} ({100 * len(truncated) / len(examples):.1f} %):"
            f" {_lines(truncated)};"
            f" line {first.row.line} lost {first.tokens - len(first.ids):,} of {first.tokens:,} tokens, from"
            f" {first.cut!r} on"
        )
    if added := [example for example in examples if example.ended]:
        notes["end added"] = f"{len(added):,} answers, which the template does not end: {_lines(added)}"
    if unmarked := [example for example in examples if example.unmarked]:
        notes["earlier answers"] = f"do not count, as the template changes them later: {_lines(unmarked)}"
    texts = {split: [example.row.text for example in part] for split, part in splits.items()}
    found = duplicates(texts["train"], texts["val"])
    if found.repeated:
        notes["repeated rows"] = (
            f"{len(found.repeated):,} in train: {_lines(splits['train'][i] for i in found.repeated)}"
        )
    for name, pairs in (("also in train", found.exact), ("nearly in train", found.near)):
        if pairs:
            lines = [(splits["val"][val].row.line, splits["train"][train].row.line) for val, train in pairs]
            listed = ", ".join(f"line {val} (line {train})" for val, train in lines[:_SHOWN])
            notes[name] = f"{len(pairs):,} of {len(splits['val']):,} val rows: {listed}{_more(len(pairs))}"
    return notes


def _lines(examples: Iterable[Example]) -> str:
    lines = [example.row.line for example in examples]
    return f"line{'s' * (len(lines) > 1)} {', '.join(map(str, lines[:_SHOWN]))}{_more(len(lines))}"


def _more(count: int) -> str:
    return f" and {count - _SHOWN:,} more" if count > _SHOWN else ""


def _first(bad: list[RowError]) -> str:
    return f" (line {bad[0].line}: {bad[0]})" if bad else ""
