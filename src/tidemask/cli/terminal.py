"""The two streams of a command: results on stdout; progress, notes and errors on stderr."""

from __future__ import annotations

import sys

from rich.console import Console

from tidemask.progress.display import ProgressDisplay

stdout = Console(highlight=False, soft_wrap=False)
"""Results."""
stderr = Console(stderr=True, highlight=False)
"""Progress, notes and errors."""


def progress_display() -> ProgressDisplay:
    """The progress of a command, in a terminal or in a log file; a context manager."""
    return ProgressDisplay(stderr, logs=True)


def print_error(message: str) -> None:
    """Print an error as one line."""
    line = " ".join(message.split())
    print(f"tidemask: {line}", file=sys.stderr)  # noqa: T201  # never wrapped, never coloured
