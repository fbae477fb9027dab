"""Hydra application that trains one trial, swept over by hydra-optuna-sweeper in its own environment.

All trials run the same training code in the same process, so that the two programs differ only in the sweeping.
"""

from __future__ import annotations

import json
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from ml_playground.composition.load import compose_experiment
from ml_playground.runs.train import train


@hydra.main(version_base="1.3", config_path=None, config_name=None)
def main(config: DictConfig) -> float:
    """Train with the sweeper's values in a folder for this job, and return the best validation loss."""
    number = f"{HydraConfig.get().job.num:04d}"
    with Path("trainings").open("a", encoding="utf-8") as file:
        file.write(f"{number}\n")
    GlobalHydra.instance().clear()  # our code composes with Hydra too
    folder = Path("peer") / number
    values = {"train.optim.learning_rate": config.learning_rate, "train.data.batch_size": config.batch_size}
    max_iters = round(config.tokens / config.batch_size / 64)
    given = {"train.runtime.out_dir": folder, "train.runtime.max_iters": max_iters}
    train(compose_experiment("bench", Path("bench.toml")).replace({**values, **given}).resolve())
    return float(json.loads((folder / "run.json").read_text(encoding="utf-8"))["best"])


if __name__ == "__main__":
    main()
