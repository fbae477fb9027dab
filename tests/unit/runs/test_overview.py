from __future__ import annotations

from pathlib import Path

import pytest

from ml_playground.runs.notes import archive
from ml_playground.runs.overview import print_runs
from tests.unit.runs.folders import write_run


def printed(capsys: pytest.CaptureFixture[str], root: Path, **options: bool) -> list[str]:
    print_runs(root, **options)
    return capsys.readouterr().out.splitlines()


def test_runs_are_grouped_by_experiment_and_sorted_by_their_lowest_validation_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "b", [3.0, 2.5, 2.9])
    write_run(tmp_path / "a", [3.0, 2.8])
    write_run(tmp_path / "c", [4.0, 3.5], experiment="big")
    write_run(tmp_path / "d", [4.0], status="failed", best_val_loss=None, val_loss=None, experiment="big")
    lines = printed(capsys, tmp_path)
    assert [line.split()[0] for line in lines if line] == ["run", "big", "c", "d", "tiny", "b", "a", "4"]
    header, row = lines[0], lines[-4]
    columns = [row[header.index(name) : header.index(name) + len(name)].strip() for name in ("best val", "bits/byte")]
    assert columns == ["2.5000", "3.6067"]
    assert row.split()[:4] == ["b", "finished", "20/20", "1.28"]
    assert lines[-1].endswith("B free")


def test_different_tokenizers_are_ranked_by_bits_per_byte_and_the_reason_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "char", [2.6], bytes_per_token=1.0)
    write_run(tmp_path / "bpe", [4.8], bytes_per_token=2.0, tokenizer="bpe", vocab_size=512)
    lines = printed(capsys, tmp_path)
    title = "tiny  (by bits per byte, as losses per token of different tokenizers cannot be compared: bpe 512, char 60)"
    assert lines[2] == title
    assert [line.split()[0] for line in lines[3:5]] == ["bpe", "char"]


def test_a_sweep_is_one_row_unless_it_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, lowest in enumerate([2.9, 2.4, 2.7]):
        folder = tmp_path / "sweeps/tiny-small/trials" / f"{number:04d}"
        params = {"train.data.batch_size": 2**number, "train.optim.learning_rate": 0.00312345}
        write_run(folder, [3.0, lowest], params=params, status="pruned" if number == 0 else "finished")
    (row,) = [line for line in printed(capsys, tmp_path) if "sweeps" in line]
    assert row.startswith("sweeps/tiny-small  2 finished, 1 pruned")
    assert row.endswith("best: trial 0001, batch_size=2 learning_rate=0.003123")
    assert "2.4000" in row
    for root, options in ((tmp_path, {"every": True}), (tmp_path / "sweeps/tiny-small", {})):
        lines = printed(capsys, root, **options)
        assert [line.split()[-2] for line in lines if "trials" in line] == [f"batch_size={size}" for size in (2, 4, 1)]


def test_seeds_are_one_row_with_their_mean_and_deviation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, lowest in enumerate([2.5, 2.6, 2.7], start=1):
        write_run(tmp_path / "wide" / f"seed-{seed}", [3.0, lowest], seed=seed)
    write_run(tmp_path / "narrow", [3.0, 2.65])
    lines = printed(capsys, tmp_path)[3:5]
    assert [line.split()[0] for line in lines] == ["wide", "narrow"]
    assert "3 finished" in lines[0]
    assert "2.6000 ± 0.1000" in lines[0]
    assert lines[0].endswith("seeds 1, 2, 3")


def test_archived_runs_are_hidden_until_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = write_run(tmp_path / "old")
    write_run(tmp_path / "new")
    archive(old, archived=True)
    assert not any(line.startswith("old") for line in printed(capsys, tmp_path))
    assert any(line.startswith("old") and "archived" in line for line in printed(capsys, tmp_path, archived=True))
    archive(old, archived=False)
    assert any(line.startswith("old") for line in printed(capsys, tmp_path))


def test_what_was_removed_is_not_listed_and_a_link_in_a_circle_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / ".trash/1/gone")
    write_run(tmp_path / "here")
    (tmp_path / "here/circle").symlink_to(tmp_path)
    assert printed(capsys, tmp_path)[-1].startswith("1 runs")


def test_a_folder_inside_a_group_can_be_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (1, 2):
        write_run(tmp_path / "wide" / f"seed-{seed}", seed=seed)
    assert sum("seed-" in line for line in printed(capsys, tmp_path / "wide")) == 2
    assert printed(capsys, tmp_path / "wide/seed-1")[-1].startswith("1 runs")


def test_names_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "x", experiment="\x1b[2J", processor="\x1b[2J")
    assert "\x1b" not in "".join(printed(capsys, tmp_path))
