"""The plays of Shakespeare, as char-rnn and nanoGPT use them: source of ``shakespeare`` and ``shakespeare_char``."""

from __future__ import annotations

from ml_playground.experiments.registry import default_folder, preparer
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextFile, TextSource


@preparer("shakespeare_char")
@preparer("shakespeare")
def shakespeare(config: PrepareConfig) -> TextSource:
    """The text at ``[prepare] input``, fetched from ``[prepare] url`` where it is not there yet.

    Raises:
        DataError: it is not there and cannot be fetched; one line says where to put it.
    """
    path = config.input or default_folder("shakespeare") / "input.txt"
    # A file that is there is the user's, whatever its digest.
    if config.url and not path.exists():
        # Here and not above: nobody else should wait for an HTTP client.
        from ml_playground.text.download import download

        download(config.url, path, config.sha256)
    return TextFile(path)
