"""Summary of a prepared dataset, as a table."""

from __future__ import annotations

import itertools

import numpy as np

from ml_playground.dataset.prepared import PreparedDataset, Split
from ml_playground.text.tokenizer import is_chat

_MOST_FREQUENT = 10
_SPLITS: tuple[Split, ...] = ("train", "val")
_SEPARATOR = "·"
_TOKENS = 40
"""Tokens to show of a text."""
_MOST_TOKENS = 400
"""Most tokens to show of an example."""
_BLOCK = 1 << 22


def print_summary(dataset: PreparedDataset) -> None:
    """Print the table to standard output."""
    meta = dataset.meta
    tokens = meta.train_tokens + meta.val_tokens
    val = len(meta.val_documents)
    documents = f"{meta.documents:,} = {meta.documents - val:,} train + {val:,} val"
    sizes = {split: (dataset.folder / f"{split}.bin").stat().st_size / 1e6 for split in ("train", "val")}
    rows = {
        "source": meta.source,
        "documents": documents if meta.documents > 1 else "1, its end for validation",
        "characters": f"{meta.characters:,}",
        "tokens": f"{tokens:,} = {meta.train_tokens:,} train + {meta.val_tokens:,} val",
        "characters/token": f"{meta.characters / tokens:.2f}",
        "vocabulary": f"{meta.vocab_size:,} ({meta.tokenizer['kind']})",
        "most frequent": "  ".join(f"{shown!r} {100 * share:.1f} %" for shown, share in most_frequent(dataset)),
        "size": f"train.bin {sizes['train']:,.1f} MB, val.bin {sizes['val']:,.1f} MB",
        "folder": str(dataset.folder),
    }
    if targets := meta.targets:
        shares = [f"{100 * targets[split] / len(dataset.tokens(split)):.1f} % of {split}" for split in _SPLITS]
        rows["counted tokens"] = ", ".join(shares)
    rows |= meta.notes
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        print(f"{name:<{width}}{value}")
    print(f"\n{_example(dataset)}")


def _example(dataset: PreparedDataset) -> str:
    """Return the first training example, or the beginning of the text, as the model sees it: token by token."""
    lengths, mask = dataset.lengths("train"), dataset.mask("train")
    count = _TOKENS if lengths is None else int(lengths[0])
    ids = dataset.tokens("train")[: min(count, _MOST_TOKENS)].tolist()
    tokenizer = dataset.tokenizer
    special = {number: text for text, number in tokenizer.special.items()} if is_chat(tokenizer) else {}
    tokens = [repr(special.get(token) or tokenizer.decode([token]))[1:-1] for token in ids]
    if mask is None:
        return f"The training text begins with the tokens\n{_SEPARATOR.join(tokens)}"
    marks = mask[: len(ids)].tolist()
    lines = [f"The first example has {count:,} tokens; those that count in the loss are marked with >"]
    for counted, run in itertools.groupby(zip(marks, tokens, strict=True), key=lambda pair: pair[0]):
        lines.append(f"{'>' if counted else ' '} {_SEPARATOR.join(token for _, token in run)}")
    if count > len(ids):
        lines.append(f"  and {count - len(ids):,} more")
    return "\n".join(lines)


def most_frequent(dataset: PreparedDataset, count: int = _MOST_FREQUENT) -> list[tuple[str, float]]:
    """Return the most frequent tokens, as text, with their fraction of all tokens, in descending order."""
    counts = np.zeros(dataset.meta.vocab_size, dtype=np.int64)
    for tokens in (dataset.tokens("train"), dataset.tokens("val")):
        for start in range(0, len(tokens), _BLOCK):
            counts += np.bincount(tokens[start : start + _BLOCK], minlength=len(counts))
    order = np.argsort(-counts, kind="stable")[:count]
    shares = counts / counts.sum()
    decode = dataset.tokenizer.decode
    return [(decode([token]), float(shares[token])) for token in order.tolist() if counts[token]]
