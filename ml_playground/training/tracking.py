"""Metric logging of a run to TensorBoard and ``metrics.jsonl``."""

# protobuf's generated modules are untyped; none of their types leave this file.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import metadata as layout_metadata
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.record_writer import RecordWriter

from ml_playground.durable import to_json

Scalars = dict[str, float]
"""Values by tag. ``train/tokens`` and ``train/seconds`` are totals of the run, without evaluations and saving."""


Entry = Mapping[str, object]
"""A line of ``metrics.jsonl``: a step, the values logged at it and, after an evaluation, a ``sample``."""
TOKENS, SECONDS = "train/tokens", "train/seconds"
_ELAPSED = (TOKENS, SECONDS)
"""Logged to TensorBoard at training steps only, although evaluations record them too."""
_OVER_TOKENS = {
    "train/loss": "over_tokens/train_loss",
    "val/loss": "over_tokens/val_loss",
    "val/bits_per_byte": "over_tokens/bits_per_byte",
}
"""Curves that are also logged with the number of tokens as their step, by the tag of the original."""
_CHARTS = {"loss": ["train/loss", "val/loss"], "loss over tokens": ["over_tokens/train_loss", "over_tokens/val_loss"]}
"""Charts of TensorBoard's custom scalars tab."""
_UNSAFE = re.compile(r"[^\w .,=+-]|^\.")
_MAX_LABEL = 150


@dataclass(frozen=True)
class Session:
    """A run as listed in TensorBoard's HParams tab."""

    name: str
    """Unique name: the path of the run relative to ``outputs``."""
    settings: dict[str, object]
    """Settings by dotted key."""
    label: str = ""
    """Says what distinguishes the run from others, in the name that TensorBoard shows; empty if its path does."""


class Tracker:
    """Logs the scalars of one run, appending to those of earlier sessions."""

    def __init__(self, folder: Path, session: Session, resumed_at: int | None, history: Iterable[Entry] = ()) -> None:
        """Open the log files.

        Args:
            folder: Run folder.
            session: Name and settings shown in TensorBoard.
            resumed_at: Step of the checkpoint that training resumes from; None for a new run.
            history: What was logged up to that step.

        Raises:
            OSError: If the files cannot be written.
        """
        logs = folder / "logs" / "tb"
        # A run that resumes from another's checkpoint has its metrics, but not its event files.
        is_new = resumed_at is None or not any(logs.rglob("*tfevents*"))
        jsonl_path, events = folder / "metrics.jsonl", _events_folder(logs, session.label)
        with contextlib.ExitStack() as files:
            self._jsonl = files.enter_context(jsonl_path.open("a", encoding="utf-8"))
            # torch's SummaryWriter is not used because its thread prints a traceback when the disk is full.
            self._events = files.enter_context((events / _event_file_name()).open("xb"))
            self._records = RecordWriter(self._events)
            self._write(file_version="brain.Event:2")
            # Makes TensorBoard discard events of this and later steps, so that no curve has a step twice: on resume,
            # and after a start that left no checkpoint.
            first = 0 if resumed_at is None else resumed_at + 1
            self._write(step=first, session_log=SessionLog(status=SessionLog.START))
            if is_new:
                self._start_session(session)
                self._add_charts()
            for entry in history:
                if is_new:
                    self._log_again(entry)
                # What has more tokens than `first` was discarded as well, because its step is the number of tokens.
                if isinstance(tokens := entry.get(TOKENS), int) and (is_new or tokens >= first):
                    self._log_over_tokens(tokens, entry)
            self._files = files.pop_all()

    def log(self, step: int, scalars: Scalars) -> None:
        """Log one value per scalar at a step."""
        self._write(step=step, summary=Summary(value=_values(scalars)))
        self._record(step, scalars)

    def log_evaluation(self, step: int, scalars: Scalars, elapsed: Scalars, sample: str | None) -> None:
        """Log the scalars of an evaluation, and a text by the model.

        Args:
            elapsed: Recorded for comparisons; TensorBoard gets them from the training step.
        """
        self._write(step=step, summary=Summary(value=_values(scalars)))
        if sample is not None:
            self._write(step=step, summary=Summary(value=[_text_value(sample)]))
        self._record(step, {**scalars, **elapsed, **({} if sample is None else {"sample": sample})})

    def flush(self) -> None:
        """Flush logged metrics to the operating system, so that a checkpoint is never ahead of the metrics."""
        self._jsonl.flush()

    def end_session(self) -> None:
        """Mark the run as complete."""
        info = plugin_data_pb2.SessionEndInfo(status=1, end_time_secs=time.time())  # 1: success
        data = plugin_data_pb2.HParamsPluginData(session_end_info=info)
        self._write_plugin_data(metadata.SESSION_END_INFO_TAG, data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        try:
            self._files.close()
        except OSError:
            if kind is None:  # otherwise report the first error
                raise

    def _start_session(self, session: Session) -> None:
        info = plugin_data_pb2.SessionStartInfo(group_name=session.name, start_time_secs=time.time())
        for key, value in session.settings.items():
            if isinstance(value, bool):
                info.hparams[key].bool_value = value
            elif isinstance(value, (int, float)):
                info.hparams[key].number_value = value
            else:
                info.hparams[key].string_value = str(value)
        self._write_plugin_data(
            metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=info)
        )

    def _add_charts(self) -> None:
        charts = [
            layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
            for title, tags in _CHARTS.items()
        ]
        layout = layout_pb2.Layout(category=[layout_pb2.Category(title="training", chart=charts)])
        value = Summary.Value(
            tag=layout_metadata.CONFIG_SUMMARY_TAG,
            metadata=layout_metadata.create_summary_metadata(),
            tensor=_string(layout.SerializeToString()),
        )
        self._write(summary=Summary(value=[value]))

    def _record(self, step: int, entry: Entry) -> None:
        if isinstance(tokens := entry.get(TOKENS), int):
            self._log_over_tokens(tokens, entry)
        self._jsonl.write(to_json({"step": step, **entry}))

    def _log_again(self, entry: Entry) -> None:
        """Log an entry of ``metrics.jsonl`` as it was logged first."""
        left_out = ("step", *(_ELAPSED if "val/loss" in entry else ()))
        logged = {tag: value for tag, value in entry.items() if tag not in left_out}
        scalars = {tag: float(value) for tag, value in logged.items() if isinstance(value, (int, float))}
        values = _values(scalars)
        if isinstance(sample := entry.get("sample"), str):
            values.append(_text_value(sample))
        self._write(step=entry["step"], summary=Summary(value=values))

    def _log_over_tokens(self, tokens: int, entry: Entry) -> None:
        scalars = {tag: value for key, tag in _OVER_TOKENS.items() if isinstance(value := entry.get(key), float)}
        if scalars:
            self._write(step=tokens, summary=Summary(value=_values(scalars)))

    def _write_plugin_data(self, tag: str, data: plugin_data_pb2.HParamsPluginData) -> None:
        value = Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data))
        self._write(summary=Summary(value=[value]))

    def _write(self, **content: object) -> None:
        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())
        self._events.flush()  # users watch the curves during training


def _values(scalars: Scalars) -> list[Summary.Value]:
    return [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]


def _text_value(text: str) -> Summary.Value:
    # Indented, it is shown as it is: TensorBoard renders Markdown.
    markdown = "\n".join(f"    {line}" for line in text.split("\n"))
    return Summary.Value(
        tag="sample", metadata=text_metadata.create_summary_metadata("", ""), tensor=_string(markdown.encode())
    )


def _string(text: bytes) -> TensorProto:
    return TensorProto(dtype=DT_STRING, string_val=[text], tensor_shape=TensorShapeProto())


def _events_folder(root: Path, label: str) -> Path:
    """Return the folder of the event files, whose path is the name that TensorBoard shows, and create it."""
    # Where an earlier session wrote, or the run would appear twice.
    existing = sorted(root.rglob("*tfevents*"))
    folder = existing[0].parent if existing else root / _UNSAFE.sub("_", label)[:_MAX_LABEL]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _event_file_name() -> str:
    # TensorBoard requires "tfevents" in the name, and reads the files of a run in lexicographic order.
    return f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
