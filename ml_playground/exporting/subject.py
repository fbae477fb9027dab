"""What is exported: a trained model with its tokenizer, and the validation text on which exports are verified."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ml_playground.config import ExperimentConfig
from ml_playground.dataset.batches import Batches
from ml_playground.dataset.prepared import PreparedDataset
from ml_playground.dataset.windows import Batch
from ml_playground.errors import UserError
from ml_playground.experiments.prepare import prepare
from ml_playground.models.base import LanguageModel
from ml_playground.sampling.sample import tokenizer_of
from ml_playground.terminal.console import say
from ml_playground.text.tokenizer import Tokenizer
from ml_playground.training.loading import Trained, load_trained

_TOKENS, _FEWER = 4096, 1024
"""How much of the validation text is compared; less with large models."""
_LARGE = 50_000_000


@dataclass(frozen=True)
class Subject:
    """A trained model to export."""

    config: ExperimentConfig
    trained: Trained
    tokenizer: Tokenizer
    dataset: PreparedDataset | None
    """None if the data cannot be prepared, or is no longer what the model was trained on."""

    @property
    def model(self) -> LanguageModel:
        """The model."""
        return self.trained.model

    def windows(self) -> Batch:
        """Return windows of the validation text; without one, of random tokens. Shapes are (windows, tokens)."""
        length = min(self.model.block_size, self.config.train.data.block_size)
        large = sum(parameter.numel() for parameter in self.model.parameters()) > _LARGE
        rows = max(1, (_FEWER if large else _TOKENS) // length)
        if self.dataset is None:
            size = min(self.tokenizer.vocab_size, self.model.vocab_size)
            generator = torch.Generator().manual_seed(self.config.train.runtime.seed)
            ids: Tensor = torch.randint(size, (rows, length + 1), generator=generator)
            return Batch(ids[:, :-1], ids[:, 1:])
        if self.dataset.lengths("val") is None:  # one long text
            length = min(length, len(self.dataset.tokens("val")) - 1)
        batches = list(Batches(self.dataset, "val", 1, length, packed=False).fixed(rows))
        return Batch(torch.cat([batch.inputs for batch in batches]), torch.cat([batch.targets for batch in batches]))


def load_subject(config: ExperimentConfig) -> Subject:
    """Load the checkpoint that ``[sample.runtime]`` names, and find the data that it was trained on.

    Raises:
        RunFolderError: If there is no checkpoint.
        CheckpointError: If no checkpoint can be used.
        DataError: If a nanoGPT checkpoint does not fit the experiment's tokenizer.
    """
    runtime = config.sample.runtime
    trained = load_trained(runtime.out_dir, runtime.checkpoint)
    for problem in trained.rejected:
        say(f"warning: {problem}; using another checkpoint")
    tokenizer = tokenizer_of(trained, config)
    trained.model.to("cpu").eval()
    return Subject(config, replace(trained, tokenizer=tokenizer), tokenizer, _dataset(config, tokenizer))


def _dataset(config: ExperimentConfig, tokenizer: Tokenizer) -> PreparedDataset | None:
    try:
        dataset = prepare(config)
    except UserError as error:
        say(f"note: verified on random tokens, because there is no validation text: {error}")
        return None
    if dataset.meta.tokenizer != tokenizer.state:
        say("note: verified on random tokens, because the experiment's data has another vocabulary than the model")
        return None
    return dataset
