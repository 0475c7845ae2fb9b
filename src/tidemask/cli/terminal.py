"""What the commands show: progress on stderr, results on stdout.

On a terminal, progress is one line per stage, with a bar and the time left. Elsewhere (a log file,
CI) it is a plain line at most every ten seconds, and one at the end of each stage.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID
from rich.text import Text

from tidemask.cli.progress_line import Stage, bar_line, log_line

_LOG_EVERY_SECONDS = 10.0
_FIRST_LINE_SECONDS = 2.0
"""Shorter work reports nothing before its end."""

stdout = Console(highlight=False, soft_wrap=False)
"""Results."""
stderr = Console(stderr=True, highlight=False)
"""Progress, notes and errors."""


class _Line(ProgressColumn):
    """The whole line of a stage."""

    def render(self, task: Task) -> Text:
        """The line in the width of the terminal."""
        return bar_line(
            task.fields["stage"],
            task.fields["ended"] or time.monotonic(),
            width=stderr.width - 1,
            name_width=task.fields["name_width"],
        )


class Reporter:
    """Shows how a command goes; its methods are the callbacks that the library calls."""

    def __init__(self) -> None:
        self._live = stderr.is_terminal
        self._progress = Progress(_Line(), console=stderr, transient=False)
        self._stages: dict[str, Stage] = {}
        self._notes: dict[str, Mapping[str, object]] = {}
        self._tasks: dict[str, TaskID] = {}
        self._last_line = time.monotonic() - _LOG_EVERY_SECONDS + _FIRST_LINE_SECONDS

    def __enter__(self) -> Reporter:
        if self._live:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._progress.stop()

    def on_progress(self, stage: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` units of a stage are finished."""
        now = time.monotonic()
        shown = self._stages.get(stage)
        if shown is None or done < shown.done:
            shown = self._stages[stage] = Stage(stage, started=now, first=done)
        was_finished = shown.is_finished
        shown.done, shown.total = done, total
        shown.take(self._notes.pop(stage, {}))
        if self._live:
            self._draw(shown, now)
        elif (done or shown.note) and not was_finished:
            self._log(log_line(shown, now), at_once=shown.is_finished)

    def on_record(self, record: Mapping[str, object]) -> None:
        """Take a line of metrics of training; it is shown with the step it belongs to."""
        self.note("training", record)

    def note(self, stage: str, record: Mapping[str, object]) -> None:
        """Show a line of metrics with the next progress of a stage."""
        self._notes[stage] = {**self._notes.get(stage, {}), **record}

    def say(self, sentence: str) -> None:
        """Show a note beside the progress."""
        stderr.print(sentence, soft_wrap=True)

    def _draw(self, stage: Stage, now: float) -> None:
        if stage.name not in self._tasks:
            self._tasks[stage.name] = self._progress.add_task(
                stage.name, total=None, stage=stage, ended=None, name_width=0
            )
        task = self._tasks[stage.name]
        self._progress.update(task, stage=stage, ended=now if stage.is_finished else None)
        longest = max(map(len, self._tasks))
        for other in self._tasks.values():
            self._progress.update(other, name_width=longest)

    def _log(self, line: str, *, at_once: bool) -> None:
        now = time.monotonic()
        if at_once or now - self._last_line >= _LOG_EVERY_SECONDS:
            self._last_line = now
            stderr.print(line, soft_wrap=True)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A reporter for the duration of a command."""
    with Reporter() as reporter:
        yield reporter


def print_error(message: str) -> None:
    """Print an error as one line."""
    line = " ".join(message.split())
    print(f"tidemask: {line}", file=sys.stderr)  # noqa: T201  # never wrapped, never coloured
