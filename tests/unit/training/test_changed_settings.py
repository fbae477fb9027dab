from __future__ import annotations

import dataclasses

import pytest

from ml_playground.config import ModelConfig, TrainConfig
from ml_playground.training.changed_settings import RULES, Rule, best_criterion, changed_settings

BEFORE: dict[str, object] = {
    "train.data.batch_size": 4,
    "train.data.block_size": 16,
    "train.model.n_layer": 1,
    "train.optim.optimizer": "adamw",
    "train.runtime.ckpt_metric": "val_loss",
    "train.runtime.eval_iters": 2,
}


def test_every_setting_of_training_has_a_rule() -> None:
    tables = {field.name: field.default_factory for field in dataclasses.fields(TrainConfig)}
    assert tables.pop("model") is ModelConfig  # of whose settings the checkpoint's always count
    keys = {
        f"train.{table}.{field.name}"
        for table, kind in tables.items()
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]  # each is a table's dataclass
    }
    assert keys == RULES.keys()


def test_only_what_differs_is_told_unset_ones_included() -> None:
    now = {**BEFORE, "train.optim.optimizer": "muon", "train.runtime.eval_batch_size": 8}
    del now["train.model.n_layer"]
    changes = {change.key: (change.before, change.now, change.rule) for change in changed_settings(BEFORE, now)}
    assert changes == {
        "train.optim.optimizer": ("adamw", "muon", Rule.refused),
        "train.runtime.eval_batch_size": (None, 8, Rule.free),
        "train.model.n_layer": (1, None, Rule.checkpoint),
    }


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"train.runtime.ckpt_metric": "train_loss"}, False),
        ({"train.runtime.eval_block_size": 8}, False),
        ({"train.runtime.eval_block_size": 16}, True),
        ({"train.data.block_size": 32}, False),
        ({"train.data.batch_size": 8}, False),
        ({"train.runtime.eval_batch_size": 4, "train.data.batch_size": 8}, True),
        ({"train.optim.learning_rate": 1.0}, True),
    ],
)
def test_the_best_is_comparable_while_it_is_measured_alike(change: dict[str, object], same: bool) -> None:
    assert (best_criterion(BEFORE) == best_criterion({**BEFORE, **change})) is same


def test_batches_of_the_whole_split_measure_alike_whatever_their_size() -> None:
    whole = {**BEFORE, "train.runtime.eval_iters": 0}
    assert best_criterion(whole) == best_criterion({**whole, "train.data.batch_size": 8})
