"""``[prepare]``: source text to token files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from omegaconf import SI

from ml_playground.errors import UserError
from ml_playground.ranges import SettingError, bounded


class OnBadFile(Enum):
    """What a file that cannot be read does among many; skipped ones are named and counted."""

    stop = "stop"
    skip = "skip"


class Normalization(Enum):
    """In which form of Unicode accents are: ``ä`` is one character in NFC, and an ``a`` and its dots in NFD."""

    none = "none"
    """As the text has them."""
    NFC = "NFC"
    NFD = "NFD"


BUILT_IN_TOKENIZERS = ("char", "char_ngram", "tiktoken", "bpe")


@dataclass
class LayoutConfig:
    """``[prepare.layout]``: what is written of a plenary protocol besides what is said."""

    speakers: bool = True
    """The line that names the speaker."""
    parties: bool = True
    """The party in brackets after the name; offices belong to the name and stay."""
    interjections: bool = True
    """Applause, laughter and heckles, in brackets on lines of their own."""
    headings: bool = False
    """Headings of the agenda and the numbers of printed papers, which nobody says."""
    not_spoken: bool = True
    """Speeches that were handed in for the record (``redeart="zu_protokoll"``): printed as said, and never spoken."""


@dataclass
class PrepareConfig:
    """``[prepare]``: source text to token files."""

    preparer: str = SI("${experiment}")
    """Name of the registered preparer; by default the experiment's own name."""
    input: Path | None = None
    """Source text. Unset: the preparer's own source. For plenary debates also a protocol, or a folder of both."""
    sessions: list[str] = field(default_factory=list[str])
    """Sittings of the Bundestag to download, by term and number: ``["20/1", "21/3-7"]``. They alone are the source
    then, and ``input`` is the folder that they are kept in."""
    url: str | None = None
    """Where a preparer that downloads its text finds it; it does so once, to ``input``.
    For ``sessions`` it has ``{term}``, in two digits, and ``{session}``, in three."""
    request_interval: float = bounded(1.0, ge=0)
    """Seconds at least between two requests for ``sessions``."""
    sha256: str | None = None
    """Hex digest that a downloaded text must have. Unset: none is asked for."""
    on_bad_file: OnBadFile = OnBadFile.stop
    """What a file that cannot be read does among many."""
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    normalize: Normalization = Normalization.none
    """Form of the text, and of prompts. Texts from a Mac or a PDF are often in NFD, and what people type is in NFC."""
    dataset_dir: Path | None = None
    """Folder of the token files. Unset: ``outputs/data/<preparer>-<fingerprint>``."""
    tokenizer: str = "char"
    """How text becomes tokens: ``char`` (one a character), ``char_ngram`` (up to ``ngram`` characters), ``tiktoken``
    (the vocabulary of GPT-2 or another of OpenAI's models), ``bpe`` (learned from the text), or one that another
    package registers."""
    ngram: int = bounded(2, ge=1, le=8)
    """Longest token of ``char_ngram``, in characters."""
    encoding: str = "gpt2"
    """Name of the encoding of ``tiktoken``. Its files are fetched once, or found in $TIKTOKEN_CACHE_DIR."""
    vocab_size: int = bounded(4096, ge=257, le=1_000_000)
    """Tokens of ``bpe``; 256 of them are the bytes, and one ends a text."""
    val_fraction: float = bounded(0.1, gt=0, lt=1)
    """Share of the text that is kept for validation: whole documents drawn at random, or the end of a single one."""
    split_seed: int = bounded(1337, ge=0, lt=2**63)
    """Decides which documents those are."""


def check_prepare(prepare: PrepareConfig) -> None:
    """Raises:
    SettingError: no tokenizer has the name.
    """
    if prepare.tokenizer in BUILT_IN_TOKENIZERS:
        return
    # Here and not above: it imports NumPy, which a config is checked without.
    from ml_playground.text.tokenizer import tokenizers

    try:
        tokenizers.get(prepare.tokenizer)
    except UserError as error:
        raise SettingError(("prepare.tokenizer",), str(error)) from None
