"""``metrics.jsonl``: one JSON object per logged step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from ml_playground.durable import read_regular, to_json, write_text

Entry = dict[str, object]


def read_metrics(path: Path) -> list[Entry]:
    """Read the entries of a run in file order; an empty list if the file does not exist.

    Invalid lines, such as a partial line of a killed process, a corrupted one or a user's note, are skipped: they must
    not prevent a run with a valid checkpoint from resuming.

    Raises:
        OSError: If the file cannot be read.
    """
    try:
        lines = read_regular(path).split(b"\n")
    except FileNotFoundError:
        return []
    return [entry for line in lines if (entry := _entry(line))]


def truncate_metrics(path: Path, step: int | None) -> None:
    """Drop the entries after a step, which a killed session logged after its last checkpoint. None drops all.

    Raises:
        OSError: If the file cannot be read or written.
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
