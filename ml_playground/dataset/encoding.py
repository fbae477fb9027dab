"""Encode text to token ids on all cores, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from ml_playground.dataset.prepared import Split
from ml_playground.text.ids import TokenIds, token_ids
from ml_playground.text.source import Chunks
from ml_playground.text.tokenizer import Tokenizer

_PIECES_AHEAD = 4


def encode_parts(
    tokenizer: Tokenizer, parts: Iterable[tuple[Split, Chunks]], *, separated: bool
) -> Iterator[tuple[Split, TokenIds]]:
    """Encode texts piece by piece, and yield the ids with the split that they belong to.

    The tokenizers release the GIL while encoding, so threads suffice. Only a few pieces are in memory at once.

    Args:
        tokenizer: Its ``encode`` is called from several threads.
        parts: Texts with their splits; each is read completely before the next one.
        separated: Whether the end-of-text token follows every text.

    Raises:
        DataError: a text has characters that are not in the vocabulary.
    """
    cores = os.cpu_count() or 1
    pending: deque[tuple[Split, Future[TokenIds]]] = deque()
    with ThreadPoolExecutor(cores) as pool:
        for split, piece in _pieces(tokenizer, parts, separated=separated):
            pending.append((split, pool.submit(_encode, tokenizer, piece)))
            if len(pending) > _PIECES_AHEAD * cores:
                done, ids = pending.popleft()
                yield done, ids.result()
        for split, ids in pending:
            yield split, ids.result()


def _pieces(
    tokenizer: Tokenizer, parts: Iterable[tuple[Split, Chunks]], *, separated: bool
) -> Iterator[tuple[Split, str | bytes | None]]:
    """Yield the pieces of the texts; None marks the end of a text."""
    for split, chunks in parts:
        for piece in tokenizer.cut(chunks):
            yield split, piece
        if separated:
            yield split, None


def _encode(tokenizer: Tokenizer, piece: str | bytes | None) -> TokenIds:
    if piece is not None:
        return tokenizer.encode(piece)
    assert tokenizer.end_of_text is not None, "only vocabularies of earlier versions have none"
    return token_ids([tokenizer.end_of_text], tokenizer.vocab_size)
