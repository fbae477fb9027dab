from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ml_playground.runs.metrics import read_metrics

GOOD = [{"step": 1, "train/loss": 2.5}, {"step": 2, "train/loss": None}]


@given(st.binary(max_size=200), st.integers(0, 2))
def test_bytes_between_the_lines_lose_no_other_line(tmp_path_factory: object, noise: bytes, place: int) -> None:
    path = Path(tmp_path_factory.getbasetemp()) / "metrics.jsonl"  # type: ignore[attr-defined]  # pytest's
    lines = [json.dumps(entry).encode() for entry in GOOD]
    path.write_bytes(b"\n".join([*lines[:place], noise, *lines[place:]]))
    entries = read_metrics(path)
    assert [entry for entry in entries if entry in GOOD] == GOOD
    assert all(type(entry["step"]) is int for entry in entries)


def test_half_lines_and_notes_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    assert read_metrics(path) == []
    path.write_text('{"note": "cooler fixed"}\n{"step": 1}\n[1]\n{"step": true}\n{"step": 2, "tra', encoding="utf-8")
    assert read_metrics(path) == [{"step": 1}]
