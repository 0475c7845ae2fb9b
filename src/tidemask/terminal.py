"""What the commands show: progress on stderr, results on stdout.

On a terminal, progress is a bar with rate and time left. Elsewhere (a log file, CI) it is a plain
line at most every ten seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from tidemask.run_record import RATIO, held_out_loss

_LOG_EVERY_SECONDS = 10.0
_FIRST_LINE_SECONDS = 2.0
"""Shorter work reports nothing before its end."""

stdout = Console(highlight=False, soft_wrap=False)
"""Results."""
stderr = Console(stderr=True, highlight=False)
"""Progress, notes and errors."""


class _RateColumn(ProgressColumn):
    """Units per second."""

    def render(self, task: Task) -> Text:
        """Rate of a task, empty while it is not known."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{_short(speed)}/s", style="progress.data.speed")


class Reporter:
    """Shows how a command goes; its methods are the callbacks that the library calls."""

    def __init__(self) -> None:
        self._live = stderr.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=stderr,
            transient=False,
        )
        self._tasks: dict[str, TaskID] = {}
        self._finished: set[str] = set()
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
        if self._live:
            if stage not in self._tasks:
                self._tasks[stage] = self._progress.add_task(stage, total=total, note="")
            self._progress.update(self._tasks[stage], completed=done, total=total)
        elif done and stage not in self._finished:
            is_last = total is not None and done >= total
            if is_last:
                self._finished.add(stage)
            self._log(f"{stage}: {done}" + (f" of {total}" if total else ""), at_once=is_last)

    def on_record(self, record: Mapping[str, object]) -> None:
        """Show the line of metrics of a logged step of training."""
        if self._live:
            self.note("training", record)
        else:
            self._log(
                f"step {record['step']}: {training_note(record)}",
                at_once=held_out_loss(15) in record,
            )

    def note(self, stage: str, record: Mapping[str, object]) -> None:
        """Show a line of metrics beside the bar of a stage."""
        if self._live and stage in self._tasks:
            self._progress.update(self._tasks[stage], note=training_note(record))

    def say(self, sentence: str) -> None:
        """Show a note beside the progress."""
        stderr.print(sentence, soft_wrap=True)

    def _log(self, line: str, *, at_once: bool) -> None:
        now = time.monotonic()
        if at_once or now - self._last_line >= _LOG_EVERY_SECONDS:
            self._last_line = now
            stderr.print(line, soft_wrap=True)


def training_note(record: Mapping[str, object]) -> str:
    """Loss, ratio and speed of a logged step, in a few words."""
    parts = [f"loss {_number(record.get('loss'))}", f"ratio {_number(record.get(RATIO), 3)}"]
    if held_out_loss(15) in record:
        parts.append(f"held-out at 15 %: {_number(record[held_out_loss(15)])}")
    speed = record.get("tokens_per_second")
    if isinstance(speed, int | float):
        parts.append(f"{_short(float(speed))} tok/s")
    return "  ".join(parts)


@contextmanager
def reporting() -> Iterator[Reporter]:
    """A reporter for the duration of a command."""
    with Reporter() as reporter:
        yield reporter


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", text_columns: int = 1
) -> None:
    """Print a table of results; all but the first `text_columns` columns are aligned right."""
    table = Table(
        title=title or None,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1),
        pad_edge=False,
    )
    for number, column in enumerate(columns):
        is_text = number < text_columns
        table.add_column(
            column, justify="left" if is_text else "right", no_wrap=number == 0 or not is_text
        )
    for row in rows:
        table.add_row(*row)
    stdout.print(table)


def print_error(message: str) -> None:
    """Print an error as one line."""
    line = " ".join(message.split())
    print(f"tidemask: {line}", file=sys.stderr)  # noqa: T201  # never wrapped, never coloured


def _number(value: object, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"


def _short(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
