"""What TensorBoard shows of a run, read by TensorBoard itself."""

# TensorBoard has no types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportAttributeAccessIssue=false

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata, plugin_data_pb2

from ml_playground.runs.train import train
from tests.integration.conftest import Tiny

FOLDER = Path("outputs/tiny")
SCALARS = {"train/loss", "val/loss", "val/bits_per_byte", "train/lr", "train/tokens_per_sec", "train/step_time_ms"}


def events(folder: Path = FOLDER) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder / "logs" / "tb"))
    accumulator.Reload()
    return accumulator


def scalars(folder: Path = FOLDER) -> dict[str, list[int]]:
    """Tag to steps."""
    found = events(folder)
    return {tag: [event.step for event in found.Scalars(tag)] for tag in SCALARS}


def test_tensorboard_has_all_curves(tiny: Tiny) -> None:
    train(tiny())
    steps = scalars()
    assert steps["train/loss"] == list(range(1, 13))
    assert steps["val/loss"] == steps["val/bits_per_byte"] == [0, 4, 8, 12]


def test_a_resumed_curve_has_no_step_twice(tiny: Tiny) -> None:
    train(tiny())
    damaged = FOLDER / "ckpt_last.pt"
    damaged.write_bytes(b"")  # so that the next session repeats the last steps
    train(tiny())
    assert scalars()["train/loss"] == list(range(1, 13))
    assert scalars()["val/loss"] == [0, 4, 8, 12]


def test_tensorboards_hparams_tab_gets_one_session_in_the_runs_own_folder(tiny: Tiny) -> None:
    train(tiny())
    accumulator = events()
    content = accumulator.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.group_name == "outputs/tiny"
    assert start.hparams["train.data.batch_size"].number_value == 4
    assert start.hparams["train.runtime.compile"].string_value == "auto"
    assert start.hparams["train.runtime.device"].string_value == "cpu"
    content = accumulator.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
    assert plugin_data_pb2.HParamsPluginData.FromString(content).session_end_info.status == 1
    assert [path.name for path in (FOLDER / "logs").iterdir()] == ["tb"]
