from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.dataset.batches import Batches
from ml_playground.dataset.packing import pack
from ml_playground.dataset.prepared import Meta, PreparedDataset
from ml_playground.dataset.windows import IGNORED, Batch
from ml_playground.errors import DataError

LENGTHS = [5, 3, 2, 7, 4, 2, 6]
BLOCK = 8


@given(st.lists(st.integers(1, 20), max_size=60))
def test_every_item_is_in_one_row_and_no_row_is_too_full(lengths: list[int]) -> None:
    rows = pack(lengths, 20)
    assert sorted(item for row in rows for item in row) == list(range(len(lengths)))
    loads = [sum(lengths[item] for item in row) for row in rows]
    assert all(load <= 20 for load in loads)
    # No two rows fit into one: the bound of every fit algorithm.
    assert all(one + other > 20 for place, one in enumerate(loads) for other in loads[place + 1 :])


@pytest.fixture
def dataset(tmp_path: Path) -> PreparedDataset:
    """Examples whose tokens tell example and position, and of which each second token is a target."""
    ids = [100 * number + place for number, length in enumerate(LENGTHS) for place in range(length)]
    for split in ("train", "val"):
        np.array(ids, dtype="<u2").tofile(tmp_path / f"{split}.bin")
        np.array([token % 100 % 2 for token in ids], dtype=np.uint8).tofile(tmp_path / f"{split}.mask.bin")
        np.array(LENGTHS, dtype="<u4").tofile(tmp_path / f"{split}.lengths.bin")
    kinds = ("bin", "mask.bin", "lengths.bin")
    digests = {f"{split}.{kind}": "" for split in ("train", "val") for kind in kinds}
    meta = Meta(3, "", "", 14, None, [], 0, len(ids), len(ids), 0, 700, "<u2", {}, digests)
    return PreparedDataset(tmp_path, meta)


def targets(batches: list[Batch]) -> list[int]:
    return sorted(int(token) for batch in batches for token in batch.targets[batch.targets != IGNORED])


def rows(batch: Batch) -> set[bytes]:
    return {row.numpy().tobytes() for row in batch.inputs}


@pytest.mark.parametrize("packed", [True, False])
def test_an_epoch_has_every_target_once_after_its_own_context(dataset: PreparedDataset, *, packed: bool) -> None:
    every = sorted(100 * number + place for number, length in enumerate(LENGTHS) for place in range(1, length, 2))
    batches = Batches(dataset, "train", 1, BLOCK, packed=packed)
    fixed = list(batches.fixed())
    assert len(fixed) == (3 if packed else len(LENGTHS))
    for epoch in (fixed, [batches.shuffled(1, index) for index in range(len(fixed))]):
        assert targets(epoch) == every
        for batch in epoch:
            assert batch.positions is not None
            counted = batch.targets != IGNORED
            assert torch.equal(batch.targets[counted], batch.inputs[counted] + 1)
            assert torch.equal(batch.positions[counted], batch.inputs[counted] % 100)


def test_a_random_batch_has_the_rows_of_an_epoch(dataset: PreparedDataset) -> None:
    batches = Batches(dataset, "train", 3, BLOCK)
    every = set[bytes]().union(*map(rows, batches.fixed()))
    assert set[bytes]().union(*(rows(batches.random(1, step)) for step in range(20))) == every


def test_rows_past_the_end_have_no_targets(dataset: PreparedDataset) -> None:
    first, second = Batches(dataset, "val", 2, BLOCK).fixed()
    assert first.inputs.shape == second.inputs.shape == (2, BLOCK)
    assert (second.targets[1:] == IGNORED).all()


def test_an_example_that_is_too_long_is_refused(dataset: PreparedDataset) -> None:
    Batches(dataset, "train", 1, 6)
    with pytest.raises(DataError, match=r"block_size = 5: the longest example of the train split has 7 tokens"):
        Batches(dataset, "train", 1, 5)
