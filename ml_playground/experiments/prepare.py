"""The command ``prepare``."""

from __future__ import annotations

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.prepare import find_dataset, prepare_dataset
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.errors import DataError
from ml_playground.experiments.registry import find_preparer
from ml_playground.terminal.console import say
from ml_playground.text.config import Normalization
from ml_playground.text.conversation import ConversationFile
from ml_playground.text.normalization import NormalizedSource

_FEW = 5


def prepare(config: ExperimentConfig) -> PreparedDataset:
    """Prepare the token files, or find them if they already exist.

    Raises:
        UserError: no preparer has the name.
        DataError: the source cannot be used, or the files cannot be written.
    """
    try:
        source = find_preparer(config.prepare.preparer)(config.prepare)
        if config.prepare.normalize is not Normalization.none and not isinstance(source, ConversationFile):
            source = NormalizedSource(source, config.prepare.normalize)
        say(f"data: {source.description}")
        dataset, verb = find_dataset(config.prepare, source), "already prepared"
        if dataset is None:
            dataset, verb = prepare_dataset(config.prepare, source), "prepared"
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise DataError(
            f"data cannot be prepared: {where}{error.strerror or error}; nothing is left half-written"
        ) from None
    meta = dataset.meta
    say(
        f"{verb}: {meta.train_tokens:,} train and {meta.val_tokens:,} val tokens, vocabulary {meta.vocab_size:,},"
        f" in {dataset.folder}"
    )
    if verb == "prepared":
        for name, what in meta.notes.items():
            say(f"{'warning' if name.endswith('in train') else 'note'}: {name}: {what}")
    val, share = len(meta.val_documents), meta.val_tokens / (meta.train_tokens + meta.val_tokens)
    if 0 < val < _FEW:
        say(
            f"note: only {val} of {meta.documents:,} documents are for validation, with {100 * share:.1f} % of the"
            " tokens: their loss says little about other texts"
        )
    return dataset
