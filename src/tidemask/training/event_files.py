"""Event files of TensorBoard, written by the process that trains and in no other thread.

TensorBoard's own writer has a thread, whose errors, such as that of a full disk, come with its
traceback and too late. Here each call writes its records before it returns, all of them or none.
"""

from __future__ import annotations

import io
import itertools
import os
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from tidemask.errors import UserError, command_line
from tidemask.files.atomic import append_whole
from tidemask.system_errors import refusal


class EventFile:
    """A new event file; TensorBoard drops what other files of the directory have from a step on.

    Its name has the time, the process and a number that no other file of that second and process
    has (TensorBoard reads the files in order of their names); unlike TensorBoard's own it has not
    the machine.

    Args:
        run: directory of the run, for messages.
        directory: is made if it is missing.
        first_step: from which the points of other files are dropped.

    Raises:
        UserError: it cannot be written.
    """

    def __init__(self, run: Path, directory: Path, first_step: int) -> None:
        self._run = run
        name = f"events.out.tfevents.{int(time.time()):010d}.{os.getpid()}"
        numbered = (directory / f"{name}.{number:03d}" for number in itertools.count())
        self._path = next(path for path in numbered if not os.path.lexists(path))
        self._append(
            Event(wall_time=time.time(), file_version="brain.Event:2"),
            Event(
                wall_time=time.time(),
                step=first_step,
                session_log=SessionLog(status=SessionLog.START),
            ),
        )

    def add(self, step: int, scalars: Mapping[str, float]) -> None:
        """Write the points of a step.

        Raises:
            UserError: they cannot be written; the file is as it was.
        """
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _append(self, *events: Event) -> None:
        content = io.BytesIO()
        records = RecordWriter(content)
        for event in events:
            records.write(event.SerializeToString())
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            append_whole(self._path, content.getvalue())
        except OSError as error:
            if (refused := refusal(error, self._path)) is None:
                raise
            raise UserError(
                f"event file of TensorBoard not written: {refused}, then continue with "
                f"`{command_line('resume', self._run)}`."
            ) from error
