"""Standard input as a file, since text is read more than once."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from tidemask.corpus.sources.finding import InputFile
from tidemask.corpus.sources.formats import Format
from tidemask.corpus.sources.record_lines import is_record
from tidemask.errors import UserError

STANDARD_INPUT = "-"
"""What stands for standard input among files."""

_LOOKED_AT_BYTES = 1 << 20


def spooled(directory: Path) -> InputFile:
    """Standard input, written to a file in a directory; JSON Lines where its first line is one.

    Raises:
        UserError: standard input is a terminal, or empty.
        OSError: there is no room.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError(
            "no standard input: - is a terminal. Expected text from another command. Pipe it, as "
            "in `zcat news.jsonl.gz | tidemask prepare - --out corpus`."
        )
    path = directory / "standard-input"
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return InputFile(path, _format(path), "standard input")


def spool_directory() -> tempfile.TemporaryDirectory[str]:
    """A directory for it, removed with the object."""
    return tempfile.TemporaryDirectory(prefix="tidemask-")


def _format(path: Path) -> Format:
    with path.open("rb") as file:
        line = file.readline(_LOOKED_AT_BYTES)
    breaks_off = len(line) == _LOOKED_AT_BYTES and not line.endswith(b"\n")
    if is_record(line.decode("utf-8-sig", "replace"), breaks_off=breaks_off):
        return Format.JSON_LINES
    return Format.TEXT
