"""Summary of a prepared dataset, as a table."""

from __future__ import annotations

import numpy as np

from ml_playground.dataset.prepared import PreparedDataset

_MOST_FREQUENT = 10
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
    width = max(map(len, rows)) + 2
    for name, value in rows.items():
        print(f"{name:<{width}}{value}")


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
