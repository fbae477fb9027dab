"""Metric logging of a run to TensorBoard and ``metrics.jsonl``."""

# protobuf's generated modules are untyped; none of their types leave this file.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false
# pyright: reportAttributeAccessIssue=false

from __future__ import annotations

import contextlib
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from ml_playground.durable import to_json

Scalars = dict[str, float]
"""Values by tag. ``train/tokens`` and ``train/seconds`` are totals of the run, without evaluations and saving."""


@dataclass(frozen=True)
class Session:
    """A run as listed in TensorBoard's HParams tab."""

    name: str
    """Unique name: the path of the run relative to ``outputs``."""
    settings: dict[str, object]
    """Settings by dotted key."""


class Tracker:
    """Logs the scalars of one run, appending to those of earlier sessions."""

    def __init__(self, folder: Path, session: Session, resumed_at: int | None) -> None:
        """Open the log files.

        Args:
            folder: Run folder.
            session: Name and settings shown in TensorBoard.
            resumed_at: Step of the checkpoint that training resumes from; None for a new run.

        Raises:
            OSError: If the files cannot be written.
        """
        jsonl_path, events = folder / "metrics.jsonl", folder / "logs" / "tb"
        events.mkdir(parents=True, exist_ok=True)
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
            if resumed_at is None:
                self._start_session(session)
            self._files = files.pop_all()

    def log(self, step: int, scalars: Scalars) -> None:
        """Log one value per scalar at a step."""
        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._write(step=step, summary=Summary(value=values))
        self._jsonl.write(to_json({"step": step, **scalars}))

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

    def _write_plugin_data(self, tag: str, data: plugin_data_pb2.HParamsPluginData) -> None:
        value = Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data))
        self._write(summary=Summary(value=[value]))

    def _write(self, **content: object) -> None:
        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())
        self._events.flush()  # users watch the curves during training


def _event_file_name() -> str:
    # TensorBoard requires "tfevents" in the name, and reads the files of a run in lexicographic order.
    return f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
