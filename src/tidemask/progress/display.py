"""Progress on stderr: one line per stage in a terminal or a notebook, plain lines in a file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import Progress, ProgressColumn, Task, TaskID
from rich.text import Text

from tidemask.progress.line import Part, Stage, bar_line, log_line, printable

_LOG_EVERY_SECONDS = 10.0
_FIRST_LINE_SECONDS = 2.0
"""Shorter work reports nothing before its end."""


class _Line(ProgressColumn):
    """The whole line of a stage."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def render(self, task: Task) -> Text:
        """The line in the width of the terminal."""
        return bar_line(
            task.fields["stage"],
            task.fields["ended"] or time.monotonic(),
            width=self._console.width - 1,
            name_width=task.fields["name_width"],
        )


class ProgressDisplay:
    """Shows the progress of stages; `on_progress` and `on_note` are callbacks of the library.

    Args:
        console: where to print; stderr if left out.
        logs: whether plain lines are printed where there is no terminal: at most one in ten
            seconds, and one at the end of each stage.

    Example:
        >>> import io
        >>> from rich.console import Console
        >>> from tidemask import ProgressDisplay
        >>> log = io.StringIO()
        >>> with ProgressDisplay(Console(file=log), logs=True) as display:
        ...     display.on_note("Run is finished.")
        >>> log.getvalue().strip()
        'Run is finished.'
    """

    def __init__(self, console: Console | None = None, *, logs: bool = False) -> None:
        self._console = console or Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._is_live = self._console.is_terminal or self._console.is_jupyter
        self._logs = logs
        self._progress = Progress(_Line(self._console), console=self._console)
        self._stages: dict[str, Stage] = {}
        self._details: dict[str, Sequence[Part]] = {}
        self._tasks: dict[str, TaskID] = {}
        self._last_line = time.monotonic() - _LOG_EVERY_SECONDS + _FIRST_LINE_SECONDS

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:
            with suppress(OSError):  # the terminal is closed
                self._progress.stop()

    def on_progress(self, stage: str, done: int, total: int | None) -> None:
        """Show that `done` of `total` units of a stage are finished."""
        now = time.monotonic()
        shown = self._stages.get(stage)
        if shown is None or done < shown.done:
            shown = self._stages[stage] = Stage(stage, started=now, first=done)
        was_finished = shown.is_finished
        shown.done, shown.total = done, total
        shown.details = self._details.get(stage, ())
        if self._is_live:
            self._draw(shown, now)
        elif self._logs and (done or shown.details) and not was_finished:
            self._log(log_line(shown, now), at_once=shown.is_finished)

    def on_detail(self, stage: str, details: Sequence[Part]) -> None:
        """Show these details of a stage from its next progress on."""
        self._details[stage] = details

    def on_note(self, sentence: str) -> None:
        """Show a sentence above the progress."""
        self._print(sentence)

    def _draw(self, stage: Stage, now: float) -> None:
        with suppress(OSError):
            self._progress.start()
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
            self._print(line)

    def _print(self, line: str) -> None:
        """Print a line in which nothing is markup, whatever the console does with other strings."""
        with suppress(OSError):  # the terminal is closed, and what is under way is not lost for it
            self._console.print(printable(line), markup=False, emoji=False, soft_wrap=True)


@contextmanager
def displayed(progress: bool | ProgressDisplay) -> Iterator[ProgressDisplay]:
    """The display that the argument `progress` of a public function asks for.

    Args:
        progress: `True` shows progress in a terminal or notebook, `False` shows nothing; a display
            is used as it is, and stays open.
    """
    if isinstance(progress, ProgressDisplay):
        yield progress
    elif progress:
        with ProgressDisplay() as display:
            yield display
    else:
        yield ProgressDisplay(Console(quiet=True, markup=False, emoji=False))
