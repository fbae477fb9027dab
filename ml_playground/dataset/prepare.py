"""Create token files from text: nanoGPT's layout (plain little-endian ids, no header), plus ``meta.json``."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ml_playground.dataset.encoding import encode_parts
from ml_playground.dataset.placing import FILES, put_in_place, refuse_foreign
from ml_playground.dataset.prepared import FORMAT, Meta, PreparedDataset, Split, file_digest, open_dataset, read_meta
from ml_playground.dataset.split import Halves, val_documents
from ml_playground.durable import lock, replacing
from ml_playground.errors import DataError
from ml_playground.terminal.progress import ByteProgress
from ml_playground.text.config import PrepareConfig
from ml_playground.text.conversation import ConversationFile
from ml_playground.text.ids import id_dtype
from ml_playground.text.source import Chunks, TextSource
from ml_playground.text.tokenizer import tokenizer_settings, train_tokenizer
from ml_playground.text.utf8 import characters

Source = TextSource | ConversationFile
DATA_ROOT = Path("outputs/data")
_LAYOUT = 2
"""Version of the token file layout; changing it causes all datasets to be prepared again."""


def fingerprint(config: PrepareConfig, source: Source) -> str:
    """Return a digest of everything that determines the content of the token files."""
    parts = [_LAYOUT, source.fingerprint, *tokenizer_settings(config), config.val_fraction, config.split_seed]
    if isinstance(source, ConversationFile):
        # Imported lazily: only instruction data needs the tokenizers of Hugging Face.
        from ml_playground.dataset.instructions import instruction_settings

        parts += instruction_settings(config)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def dataset_folder(config: PrepareConfig, digest: str) -> Path:
    """Return the folder of the dataset, which may not exist yet."""
    return config.dataset_dir or DATA_ROOT / f"{config.preparer}-{digest[:12]}"


def find_dataset(config: PrepareConfig, source: Source) -> PreparedDataset | None:
    """Return the dataset if it has already been prepared from the same text with the same settings.

    Raises:
        DataError: the source cannot be read, or the folder contains something else.
    """
    digest = fingerprint(config, source)
    folder = dataset_folder(config, digest)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is not a folder; name another one in [prepare] dataset_dir")
    meta = read_meta(folder)
    return open_dataset(folder) if meta and meta.fingerprint == digest else None


def prepare_dataset(config: PrepareConfig, source: Source) -> PreparedDataset:
    """Prepare the dataset, or return it if it already exists. Other files in its folder are kept.

    Raises:
        DataError: the source cannot be read or is too short to split, or the folder has files with the names of token
            files that this program did not write.
    """
    digest = fingerprint(config, source)
    folder = dataset_folder(config, digest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two runs started at the same time prepare only once: the second waits, and then finds the dataset.
    with lock(folder.with_name(f".{folder.name}.lock"), wait=True):
        partial = folder.with_name(f".{folder.name}.partial")
        _remove(partial)  # left by a killed process
        if dataset := find_dataset(config, source):
            return dataset
        refuse_foreign(folder)
        partial.mkdir(exist_ok=True)
        try:
            if isinstance(source, ConversationFile):
                from ml_playground.dataset.instructions import write_examples

                meta = write_examples(partial, config, source, digest)
            else:
                meta = _write(partial, config, source, digest)
            refuse_foreign(folder)  # it may have changed in the meantime
            put_in_place(partial, folder, meta)
        finally:
            _remove(partial)
    return open_dataset(folder)


def _write(folder: Path, config: PrepareConfig, source: TextSource, digest: str) -> Meta:
    sizes: list[int] = []
    with ByteProgress("reading", 0, None) as progress:
        documents = _measured(source.documents(), sizes, progress)
        tokenizer = train_tokenizer(config, documents)
        for document in documents:  # those that the tokenizer did not need
            deque(document, maxlen=0)
        size = progress.done
    chosen: list[int] = []
    if len(sizes) > 1:
        chosen = val_documents(sizes, config.val_fraction, config.split_seed)
    parts = _parts(source, sizes, config.val_fraction, set(chosen))
    dtype = id_dtype(tokenizer.vocab_size)
    tokens, bytes_read = Counter[Split](), Counter[Split]()
    val_text = hashlib.sha256()
    with (
        replacing(folder / "train.bin") as train,
        replacing(folder / "val.bin") as val,
        ByteProgress("encoding", 0, size) as progress,
    ):
        files = {"train": train, "val": val}
        counted: Iterable[tuple[Split, Chunks]] = (
            (split, _counted(chunks, split, bytes_read, val_text.update, progress)) for split, chunks in parts
        )
        for split, ids in encode_parts(tokenizer, counted, separated=len(sizes) > 1):
            files[split].write(ids.astype(dtype, copy=False).data)
            tokens[split] += len(ids)
    return Meta(
        format=FORMAT,
        fingerprint=digest,
        source=source.description,
        documents=len(sizes),
        split_seed=config.split_seed if chosen else None,
        val_documents=chosen,
        characters=sum(sizes),
        train_tokens=tokens["train"],
        val_tokens=tokens["val"],
        val_bytes=bytes_read["val"],
        vocab_size=tokenizer.vocab_size,
        dtype=dtype,
        tokenizer=tokenizer.state,
        sha256={name: file_digest(folder / name) for name in ("train.bin", "val.bin")},
        normalize=config.normalize.name,
        val_text=val_text.hexdigest(),
    )


def _parts(
    source: TextSource, sizes: list[int], val_fraction: float, chosen: set[int]
) -> Iterable[tuple[Split, Chunks]]:
    """Return the documents with their splits; a single document is cut into its beginning and its end.

    Raises:
        DataError: there is too little text.
    """
    if len(sizes) > 1:
        return (("val" if place in chosen else "train", text) for place, text in enumerate(source.documents()))
    total = sum(sizes)
    cut = int(total * (1 - val_fraction))
    if not 0 < cut < total:
        raise DataError(f"{source.description}: {total} characters are too few to split into train and val")
    halves = Halves(next(source.documents()), cut)
    return [("train", halves.first()), ("val", halves.second())]


def _measured(documents: Iterator[Chunks], sizes: list[int], progress: ByteProgress) -> Iterator[Chunks]:
    """Yield the documents and count the characters of each as it is read."""
    for document in documents:
        sizes.append(0)
        yield _measuring(document, sizes, progress)


def _measuring(chunks: Chunks, sizes: list[int], progress: ByteProgress) -> Chunks:
    for chunk in chunks:
        sizes[-1] += characters(chunk)
        progress.advance(len(chunk))
        yield chunk


def _counted(
    chunks: Chunks, split: Split, bytes_read: Counter[Split], update: Callable[[bytes], None], progress: ByteProgress
) -> Chunks:
    for chunk in chunks:
        bytes_read[split] += len(chunk)
        if split == "val":
            update(chunk)
        progress.advance(len(chunk))
        yield chunk


def _remove(partial: Path) -> None:
    """Remove the folder of unfinished files, unless it contains other files, which are kept."""
    for name in FILES:
        for path in (partial / name, partial / f".{name}.tmp"):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it does not exist, or is not empty
        partial.rmdir()
