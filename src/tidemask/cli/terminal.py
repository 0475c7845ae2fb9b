"""The two streams of a command: results on stdout; progress, notes and errors on stderr.

What is printed may hold a user's names and texts, so nothing is ever read as markup of rich, as the
name of an emoji, or as a control sequence of the terminal; and what the encoding of a stream does
not have is printed as an escape.
"""

from __future__ import annotations

import io
import re
import sys
from contextlib import suppress

from rich.console import Console

from tidemask.progress.display import ProgressDisplay
from tidemask.progress.line import printable

_LINE_BREAKS = re.compile(r"\s*[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]\s*")
"""White space in which a line ends, such as in what a library says."""

stdout = Console(highlight=False, soft_wrap=False, markup=False, emoji=False)
"""Results."""
stderr = Console(stderr=True, highlight=False, markup=False, emoji=False)
"""Progress, notes and errors."""


def print_line(sentence: str) -> None:
    """Print a result that is a sentence or a place; it is never wrapped."""
    stdout.print(printable(sentence), soft_wrap=True)


def print_note(sentence: str) -> None:
    """Print a sentence that a user should know; it is never wrapped."""
    with suppress(OSError):  # its terminal is closed
        stderr.print(printable(sentence), soft_wrap=True)


def progress_display() -> ProgressDisplay:
    """The progress of a command, in a terminal or in a log file; a context manager."""
    return ProgressDisplay(stderr, logs=True)


def print_error(message: str) -> None:
    """Print an error as one line; spaces stay as they are, as names may have several."""
    line = printable(_LINE_BREAKS.sub(" ", message.strip()))
    with suppress(OSError):  # its terminal is closed
        print(f"tidemask: {line}", file=sys.stderr)  # noqa: T201  # never wrapped, never coloured


def escape_what_cannot_be_encoded() -> None:
    """Let the streams print an escape for a character that their encoding does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
