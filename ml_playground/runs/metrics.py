"""``metrics.jsonl``: one object per logged step, for people and for what compares runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from ml_playground.durable import read_regular, to_json, write_text

Entry = dict[str, object]


def read_metrics(path: Path) -> list[Entry]:
    """The entries of a run in the order of the file; none where the file is missing.

    Half a line of a killed process, a damaged one, or a note that somebody has added is left out: none of them may
    keep a run with a good checkpoint from resuming.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        lines = read_regular(path).split(b"\n")
    except FileNotFoundError:
        return []
    return [entry for line in lines if (entry := _entry(line))]


def truncate_metrics(path: Path, step: int | None) -> None:
    """Drop the entries past a step: a killed session has written them after its last checkpoint. None drops all.

    Raises:
        OSError: the file cannot be read or written.
    """
    entries = [] if step is None else read_metrics(path)
    write_text(path, "".join(to_json(entry) for entry in entries if cast("int", entry["step"]) <= cast("int", step)))


def _entry(line: bytes) -> Entry | None:
    try:
        entry: object = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    table = cast("Entry", entry)
    return table if type(table.get("step")) is int else None
