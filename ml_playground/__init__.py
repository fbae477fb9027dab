"""ml-playground: a config-driven experiment manager, with sweeps, for small language models.

::

    import ml_playground as mlp

    config = mlp.load_experiment("bundestag_char")
    mlp.train(config)
    trained = mlp.load_trained(config.train.runtime.out_dir)
    print(mlp.generate_text(trained, "Herr ", mlp.SamplingConfig(max_new_tokens=100))[0])

All public names are here; they are imported when they are first used, for torch takes seconds.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

# Read by OpenMP when torch is loaded. A thread that waits for another spins: for milliseconds by default, at each of a
# step's hundreds of barriers, if the other thread waits for a core that another program uses.
if "OMP_WAIT_POLICY" not in os.environ and "torch" not in sys.modules:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

if TYPE_CHECKING:
    from ml_playground.commands.verb import Verb, register_verb
    from ml_playground.composition.load import load_experiment
    from ml_playground.config import ExperimentConfig, ModelConfig, PrepareConfig, SamplingConfig
    from ml_playground.dataset.prepared import PreparedDataset, open_dataset
    from ml_playground.engines.base import Engine, Job, Worker
    from ml_playground.engines.registry import register_engine
    from ml_playground.errors import PlaygroundError, RunError, UserError
    from ml_playground.experiments.prepare import prepare
    from ml_playground.experiments.registry import Preparer, preparer
    from ml_playground.exporting.export import export
    from ml_playground.models.base import Cache, LanguageModel, ModelFamily
    from ml_playground.models.config import ModelArgs
    from ml_playground.models.hugging_face import HuggingFaceModel
    from ml_playground.models.kv_cache import KVCache
    from ml_playground.models.registry import register_model_family
    from ml_playground.runs.train import train
    from ml_playground.sampling.sample import generate_text, sample
    from ml_playground.sweeping.run import run_sweep
    from ml_playground.sweeping.sweep import Sweep, load_sweep
    from ml_playground.text.source import TextFile, TextInMemory, TextSource
    from ml_playground.text.tokenizer import Tokenizer, TokenizerKind, register_tokenizer
    from ml_playground.training.loading import Trained, load_trained
    from ml_playground.training.state import Progress

__version__ = version("ml-playground")

_HOMES = {
    "commands.verb": ["Verb", "register_verb"],
    "composition.load": ["load_experiment"],
    "config": ["ExperimentConfig", "ModelConfig", "PrepareConfig", "SamplingConfig"],
    "dataset.prepared": ["PreparedDataset", "open_dataset"],
    "engines.base": ["Engine", "Job", "Worker"],
    "engines.registry": ["register_engine"],
    "errors": ["PlaygroundError", "RunError", "UserError"],
    "experiments.prepare": ["prepare"],
    "experiments.registry": ["Preparer", "preparer"],
    "exporting.export": ["export"],
    "models.base": ["Cache", "LanguageModel", "ModelFamily"],
    "models.config": ["ModelArgs"],
    "models.hugging_face": ["HuggingFaceModel"],
    "models.kv_cache": ["KVCache"],
    "models.registry": ["register_model_family"],
    "training.loading": ["Trained", "load_trained"],
    "runs.train": ["train"],
    "sampling.sample": ["generate_text", "sample"],
    "sweeping.run": ["run_sweep"],
    "sweeping.sweep": ["Sweep", "load_sweep"],
    "text.source": ["TextFile", "TextInMemory", "TextSource"],
    "text.tokenizer": ["Tokenizer", "TokenizerKind", "register_tokenizer"],
    "training.state": ["Progress"],
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Cache",
    "Engine",
    "ExperimentConfig",
    "HuggingFaceModel",
    "Job",
    "KVCache",
    "LanguageModel",
    "ModelArgs",
    "ModelConfig",
    "ModelFamily",
    "PlaygroundError",
    "PrepareConfig",
    "PreparedDataset",
    "Preparer",
    "Progress",
    "RunError",
    "SamplingConfig",
    "Sweep",
    "TextFile",
    "TextInMemory",
    "TextSource",
    "Tokenizer",
    "TokenizerKind",
    "Trained",
    "UserError",
    "Verb",
    "Worker",
    "__version__",
    "export",
    "generate_text",
    "load_experiment",
    "load_sweep",
    "load_trained",
    "open_dataset",
    "prepare",
    "preparer",
    "register_engine",
    "register_model_family",
    "register_tokenizer",
    "register_verb",
    "run_sweep",
    "sample",
    "train",
]


if not TYPE_CHECKING:  # to whom a name that is misspelt would be one more attribute

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'ml_playground' has no attribute '{name}'")
        return getattr(importlib.import_module(f"ml_playground.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
