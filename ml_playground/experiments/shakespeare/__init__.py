"""Shakespeare's plays, as used by char-rnn and nanoGPT: source of ``shakespeare`` and ``shakespeare_char``."""

from __future__ import annotations

from ml_playground.experiments.registry import default_folder, preparer
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextFile, TextSource


@preparer("shakespeare_char")
@preparer("shakespeare")
def shakespeare(config: PrepareConfig) -> TextSource:
    """Return the text at ``[prepare] input``, downloaded from ``[prepare] url`` if it does not exist yet.

    Raises:
        DataError: it does not exist and cannot be downloaded; the one-line message says where to put it.
    """
    path = config.input or default_folder("shakespeare") / "input.txt"
    # An existing file is the user's, whatever its digest.
    if config.url and not path.exists():
        # Imported here because only downloads need an HTTP client.
        from ml_playground.text.download import download

        download(config.url, path, config.sha256)
    return TextFile(path)
