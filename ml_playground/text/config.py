"""``[prepare]``: from source text to token files."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from omegaconf import SI

from ml_playground.errors import UserError
from ml_playground.ranges import SettingError, bounded


class OnBadFile(Enum):
    """What to do about an unreadable file among many; skipped files are reported and counted."""

    stop = "stop"
    skip = "skip"


class OnBadRow(Enum):
    """What to do about a row that cannot be trained on; skipped rows are listed."""

    stop = "stop"
    skip = "skip"


class Truncation(Enum):
    """What to do about an example that is longer than ``max_tokens``; how many there were is listed."""

    end = "end"
    """Cut its end."""
    start = "start"
    """Cut its beginning."""
    refuse = "refuse"
    """Treat it as a bad row."""


class Normalization(Enum):
    """Unicode normalization form: ``ä`` is one character in NFC, and ``a`` plus a combining diaeresis in NFD."""

    none = "none"
    """Keep the text as it is."""
    NFC = "NFC"
    NFD = "NFD"


BUILT_IN_TOKENIZERS = ("char", "char_ngram", "tiktoken", "bpe", "hf")


@dataclass
class LayoutConfig:
    """``[prepare.layout]``: what to include of a plenary protocol besides the spoken words."""

    speakers: bool = True
    """Line that names the speaker."""
    parties: bool = True
    """Party in parentheses after the name; offices are part of the name and are kept."""
    interjections: bool = True
    """Applause, laughter and heckles, in parentheses on lines of their own."""
    headings: bool = False
    """Agenda headings and numbers of printed papers, which are not spoken."""
    not_spoken: bool = True
    """Speeches submitted for the record (``redeart="zu_protokoll"``): printed like the others, but never delivered."""


@dataclass
class InstructionsConfig:
    """``[prepare.instructions]``: examples from JSON lines, each a document of its own."""

    max_tokens: int = bounded(SI("${train.data.block_size}"), ge=2)
    """Longest example in tokens."""
    truncation: Truncation = Truncation.end
    on_bad_row: OnBadRow = OnBadRow.stop
    chat_template: Path | None = None
    """File with a template in Jinja that is used in place of the tokenizer's own."""


@dataclass
class PrepareConfig:
    """``[prepare]``: from source text to token files."""

    preparer: str = SI("${experiment}")
    """Name of the registered preparer; defaults to the name of the experiment."""
    input: Path | None = None
    """Source text. Unset: the preparer's own source. For plenary debates also a protocol, or a folder with both."""
    sessions: list[str] = field(default_factory=list[str])
    """Bundestag sittings to download, by term and number: ``["20/1", "21/3-7"]``. If set, they are the only source, and
    ``input`` is the folder where they are stored."""
    url: str | None = None
    """URL from which the preparer downloads its text, once, to ``input``.
    For ``sessions`` it contains the placeholders ``{term}``, two digits, and ``{session}``, three digits."""
    request_interval: float = bounded(1.0, ge=0)
    """Minimum time in seconds between two requests for ``sessions``."""
    sha256: str | None = None
    """Expected SHA-256 of the downloaded text, as a hex digest. Unset: not checked."""
    on_bad_file: OnBadFile = OnBadFile.stop
    """What to do about an unreadable file among many."""
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    instructions: InstructionsConfig = field(default_factory=InstructionsConfig)
    normalize: Normalization = Normalization.none
    """Normalization form of the text and of prompts. Texts from a Mac or a PDF are often NFD; keyboard input is NFC."""
    dataset_dir: Path | None = None
    """Folder of the token files. Unset: ``outputs/data/<preparer>-<fingerprint>``."""
    tokenizer: str = "char"
    """Tokenizer: ``char`` (one character per token), ``char_ngram`` (up to ``ngram`` characters), ``tiktoken`` (the
    vocabulary of GPT-2 or another OpenAI model), ``bpe`` (trained on the text), ``hf`` (a Hugging Face
    model's own, see ``tokenizer_path``), or one that another package registers."""
    ngram: int = bounded(2, ge=1, le=8)
    """Maximum token length of ``char_ngram``, in characters."""
    encoding: str = "gpt2"
    """Name of the encoding for ``tiktoken``. Its files are downloaded once, or read from $TIKTOKEN_CACHE_DIR."""
    tokenizer_path: Path | None = None
    """Folder or hub name of the model whose tokenizer ``hf`` is; usually ``"${train.model.path}"``."""
    tokenizer_revision: str = "main"
    """Branch, tag or commit on the hub."""
    vocab_size: int = bounded(4096, ge=257, le=1_000_000)
    """Vocabulary size of ``bpe``, including the 256 bytes and the end-of-text token."""
    val_fraction: float = bounded(0.1, gt=0, lt=1)
    """Fraction of the text used for validation: whole documents drawn at random, or the end of a single one."""
    split_seed: int = bounded(1337, ge=0, lt=2**63)
    """Random seed for drawing those documents."""


def check_prepare(prepare: PrepareConfig) -> None:
    """Check that the tokenizer is registered.

    Raises:
        SettingError: no tokenizer has the name.
    """
    if prepare.tokenizer in BUILT_IN_TOKENIZERS:
        return
    # Imported here because it loads NumPy, which checking a config must not need.
    from ml_playground.text.tokenizer import tokenizers

    try:
        tokenizers.get(prepare.tokenizer)
    except UserError as error:
        raise SettingError(("prepare.tokenizer",), str(error)) from None
