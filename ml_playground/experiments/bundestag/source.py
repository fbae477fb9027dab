"""Text source of ``bundestag_char`` and ``bundestag_tiktoken``."""

from __future__ import annotations

from pathlib import Path

from ml_playground.errors import DataError
from ml_playground.experiments.bundestag.corpus import Corpus, files_below
from ml_playground.experiments.bundestag.reader import looks_like_xml
from ml_playground.experiments.bundestag.sample import sample_text
from ml_playground.experiments.registry import default_folder
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextFile, TextInMemory, TextSource

NAME = "bundestag_char"


def bundestag(config: PrepareConfig) -> TextSource:
    """Return the sessions in ``[prepare] sessions``, or else what is at ``[prepare] input``.

    The input is a text, a protocol, or a folder of them. If neither is set, it is the default file if that exists,
    else the built-in sample.

    Raises:
        DataError: there is nothing to read in the folder, or a session cannot be downloaded.
    """
    if config.sessions:
        return _sessions(config)
    path = config.input or default_folder(NAME) / "input.txt"
    if path.is_dir():
        files = files_below(path)
        return _corpus(config, f"{path} ({len(files):,} files)", files)
    if config.input is None and not path.exists():
        return TextInMemory(
            f"the built-in sample, because {path} does not exist; put your own text there", sample_text()
        )
    return _corpus(config, f"{path} (a protocol)", [path]) if looks_like_xml(path) else TextFile(path)


def _sessions(config: PrepareConfig) -> TextSource:
    # Imported here because only downloads need an HTTP client.
    from ml_playground.experiments.bundestag.sessions import fetch_sessions

    if not config.url:
        raise DataError("prepare.sessions: needs prepare.url, where they are published")
    folder = config.input or default_folder(NAME) / "sessions"
    files = fetch_sessions(config.sessions, config.url, folder, config.request_interval)
    return _corpus(config, f"{', '.join(config.sessions)} in {folder}", files)


def _corpus(config: PrepareConfig, description: str, files: list[Path]) -> Corpus:
    return Corpus(description, files, config.layout, config.on_bad_file)
