"""The schema of an experiment: one dataclass per TOML table, defined in the package that reads it.

The string below a field documents its meaning, unit and special values. Ranges are part of the field, so that one check
covers all tables. Fields without a default must be set by the experiment.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from omegaconf import MISSING

from ml_playground.exporting.config import ExportConfig, Finetuned, OllamaConfig, Quant, check_export
from ml_playground.models.config import CONFIGS as MODEL_CONFIGS
from ml_playground.models.config import DEFAULT_FAMILY, ModelConfig
from ml_playground.models.config import config_class as model_config_class
from ml_playground.ranges import check_ranges
from ml_playground.sampling.config import SampleConfig, SampleRuntimeConfig, SamplingConfig, check_sampling
from ml_playground.text.config import LayoutConfig, Normalization, OnBadFile, PrepareConfig, check_prepare
from ml_playground.training.config import (
    Compile,
    DataConfig,
    Decay,
    Device,
    Dtype,
    Metric,
    OnNonfinite,
    OptimConfig,
    OptimizerKind,
    Sampler,
    ScheduleConfig,
    TrainConfig,
    TrainRuntimeConfig,
    check_train,
)

__all__ = [
    "DEFAULT_FAMILY",
    "MODEL_CONFIGS",
    "Compile",
    "DataConfig",
    "Decay",
    "Device",
    "Dtype",
    "ExperimentConfig",
    "ExportConfig",
    "Finetuned",
    "LayoutConfig",
    "Metric",
    "ModelConfig",
    "Normalization",
    "OllamaConfig",
    "OnBadFile",
    "OnNonfinite",
    "OptimConfig",
    "OptimizerKind",
    "PrepareConfig",
    "Quant",
    "SampleConfig",
    "SampleRuntimeConfig",
    "Sampler",
    "SamplingConfig",
    "ScheduleConfig",
    "TrainConfig",
    "TrainRuntimeConfig",
    "model_config_class",
]


@dataclass
class ExperimentConfig:
    """The complete config of one experiment."""

    experiment: str = MISSING
    """Name given on the command line; files cannot set it."""
    description: str = ""
    """One-line description for listings."""
    prepare: PrepareConfig = field(default_factory=PrepareConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    export: ExportConfig = field(default_factory=ExportConfig)

    def __post_init__(self) -> None:
        # Not in the tables themselves: OmegaConf also instantiates those to read defaults, before values are known.
        check_ranges(self)
        check_prepare(self.prepare)
        check_train(self.train)
        check_sampling(self.sample.sample)
        check_export(self.export)
