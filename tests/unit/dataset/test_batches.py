from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml_playground.dataset.batches import Batches
from ml_playground.dataset.prepare import prepare_dataset
from ml_playground.dataset.prepared import PreparedDataset, file_digest, meta_text, open_dataset
from ml_playground.dataset.windows import IGNORED
from ml_playground.errors import DataError
from ml_playground.text.config import PrepareConfig
from ml_playground.text.source import TextInMemory

# Every character once: a token's id is its place, so windows show where they were cut.
TEXT = "".join(chr(point) for point in range(0x100, 0x100 + 1000))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedDataset:
    folder = tmp_path_factory.mktemp("batches") / "set"
    return prepare_dataset(PrepareConfig(preparer="t", dataset_dir=folder, val_fraction=0.2), TextInMemory("x", TEXT))


@given(seed=st.integers(0, 2**63 - 1), step=st.integers(0, 2**40), micro_step=st.integers(0, 100))
def test_a_batch_depends_on_seed_and_step_alone(
    dataset: PreparedDataset, seed: int, step: int, micro_step: int
) -> None:
    first, second = (Batches(dataset, "train", 4, 8).random(seed, step, micro_step) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    assert first.inputs.shape == first.targets.shape == (4, 8)
    assert torch.equal(first.targets, first.inputs + 1)
    assert first.inputs.min() >= 0
    assert first.targets.max() < 800


def test_other_seeds_steps_micro_steps_and_ranks_give_other_batches(dataset: PreparedDataset) -> None:
    batches = Batches(dataset, "train", 8, 8)
    keys = [(1, 0, 0, 0), (2, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1)]
    drawn = {batches.random(*key).inputs[:, 0].numpy().tobytes() for key in keys}
    assert len(drawn) == len(keys)


def test_draws_reach_the_whole_split(dataset: PreparedDataset) -> None:
    batches = Batches(dataset, "train", 64, 8)
    starts = torch.cat([batches.random(1, step).inputs[:, 0] for step in range(200)])
    assert np.array_equal(np.unique(starts.numpy()), np.arange(800 - 8))


def test_shuffled_takes_every_window_once_an_epoch_in_an_order_that_changes(dataset: PreparedDataset) -> None:
    batches = Batches(dataset, "train", 3, 8)
    count = (800 - 8 - 1) // 8
    epochs = [batches.shuffled(5, index).inputs[:, 0] for index in range(count)]  # three epochs of count windows
    starts = torch.cat(epochs).reshape(3, count).numpy()
    for epoch in starts:
        assert np.array_equal(np.diff(np.sort(epoch)), np.full(count - 1, 8))
        assert epoch.min() < 8
        assert epoch.max() < 800 - 8
    assert len({row.tobytes() for row in starts}) == 3


@given(seed=st.integers(0, 2**63 - 1), index=st.integers(0, 2**40))
def test_a_shuffled_batch_depends_on_seed_and_index_alone(dataset: PreparedDataset, seed: int, index: int) -> None:
    warm = Batches(dataset, "train", 4, 8)
    warm.shuffled(seed, index + 1)
    cold = Batches(dataset, "train", 4, 8)
    assert torch.equal(warm.shuffled(seed, index).inputs, cold.shuffled(seed, index).inputs)


def test_fixed_windows_lie_side_by_side_over_the_whole_split(dataset: PreparedDataset) -> None:
    batches = list(Batches(dataset, "val", 5, 16).fixed())
    targets = torch.cat([batch.targets for batch in batches])
    seen = targets[targets != IGNORED]
    assert torch.equal(seen, torch.arange(801, 801 + len(seen)))
    assert len(seen) == (200 - 1) // 16 * 16
    assert all(batch.inputs.shape == (5, 16) and int(batch.inputs.min()) >= 800 for batch in batches)
    assert any(bool((batch.targets == IGNORED).any()) for batch in batches), "the last one is padded"


def test_a_limit_takes_full_batches_evenly_from_start_to_end(dataset: PreparedDataset) -> None:
    batches = list(Batches(dataset, "train", 2, 8).fixed(limit=3))
    assert len(batches) == 3
    starts = torch.cat([batch.inputs[:, 0] for batch in batches])
    assert np.array_equal(starts.numpy(), np.unique(starts.numpy()))
    assert starts[0] == 0
    assert starts[-1] == 98 * 8
    assert all(bool((batch.targets != IGNORED).all()) for batch in batches)


@pytest.mark.parametrize(("block_size", "enough"), [(199, True), (200, False)])
def test_a_split_shorter_than_a_window_is_refused(dataset: PreparedDataset, block_size: int, enough: bool) -> None:
    if enough:
        assert sum(1 for _ in Batches(dataset, "val", 1, block_size).fixed()) == 1
    else:
        with pytest.raises(DataError, match=r"the val split has 200 tokens, too few for train\.data\.block_size = 200"):
            Batches(dataset, "val", 1, block_size)


def test_a_split_that_is_too_short_is_blamed_on_the_setting(dataset: PreparedDataset) -> None:
    length = len(dataset.tokens("val"))
    with pytest.raises(DataError, match=rf"{length} tokens, too few for train.runtime.eval_block_size = {length}"):
        Batches(dataset, "val", 1, length, key="train.runtime.eval_block_size")
    block_size = (length - 1) // 2
    assert Batches(dataset, "val", 1, block_size, shuffled=True).shuffled(1, 0).inputs.shape == (1, block_size)
    with pytest.raises(DataError, match=rf'block_size = {block_size + 1} with sampler = "shuffled"'):
        Batches(dataset, "val", 1, block_size + 1, shuffled=True)


@pytest.fixture
def masked(tmp_path: Path) -> PreparedDataset:
    """Every third token of the training split is a target, and no other."""
    config = PrepareConfig(preparer="t", dataset_dir=tmp_path / "set", val_fraction=0.2)
    dataset = prepare_dataset(config, TextInMemory("x", TEXT))
    mask = (np.arange(800) % 3 == 0).astype(np.uint8)
    mask.tofile(dataset.folder / "train.mask.bin")
    digest = file_digest(dataset.folder / "train.mask.bin")
    meta = replace(dataset.meta, sha256={**dataset.meta.sha256, "train.mask.bin": digest})
    (dataset.folder / "meta.json").write_text(meta_text(meta), encoding="utf-8")
    return open_dataset(dataset.folder)


def test_targets_that_are_masked_do_not_count(masked: PreparedDataset) -> None:
    batches = Batches(masked, "train", 4, 8)
    for batch in (batches.random(1, 0), batches.shuffled(1, 0), next(batches.fixed())):
        after = batch.inputs + 1
        assert torch.equal(batch.targets, torch.where(after % 3 == 0, after, IGNORED))
    assert (next(Batches(masked, "val", 4, 8).fixed()).targets != IGNORED).all()


def test_a_mask_that_is_damaged_or_cut_is_refused(masked: PreparedDataset) -> None:
    path = masked.folder / "train.mask.bin"
    content = path.read_bytes()
    path.write_bytes(bytes([1 - content[0]]) + content[1:])
    with pytest.raises(DataError, match=r"train\.mask\.bin: is damaged"):
        open_dataset(masked.folder)
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"train\.mask\.bin: has 799 bytes of 800"):
        open_dataset(masked.folder)


@pytest.mark.parametrize("limit", [0, 4, 5])
def test_ranks_share_the_windows_of_an_evaluation(dataset: PreparedDataset, limit: int) -> None:
    batches = Batches(dataset, "val", 4, 8)
    whole = [batch.inputs.numpy().tobytes() for batch in batches.fixed(limit)]
    shares = [[batch.inputs.numpy().tobytes() for batch in batches.fixed(limit, rank, 3)] for rank in range(3)]
    assert sorted(itertools.chain(*shares)) == sorted(whole)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
