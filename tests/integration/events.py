"""TensorBoard's event files, read as TensorBoard does without a server."""

# TensorBoard has no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

from __future__ import annotations

from pathlib import Path
from typing import cast

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def logged_steps(folder: Path) -> dict[str, list[int]]:
    """The steps of each scalar of a run, in order."""
    events = next((folder / "logs" / "tb").rglob("*tfevents*"))  # a trial's are in a folder that its values name
    accumulator = EventAccumulator(str(events.parent), size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = cast("dict[str, list[str]]", accumulator.Tags())
    return {tag: [event.step for event in accumulator.Scalars(tag)] for tag in tags["scalars"]}
