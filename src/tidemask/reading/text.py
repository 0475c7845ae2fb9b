"""The text of a small file, and how a message shows where something is in it, and what."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path

from tidemask.errors import UserError, shortened
from tidemask.reading.compression import check_decompressed, chunks, is_compressed
from tidemask.system_errors import naming_place

MAX_SHOWN = 60
"""A message shows this many characters of a value."""


def read_text(path: Path, max_bytes: int | None, complaint: str) -> str:
    """The text of a regular file, decompressed by its ending, without a byte order mark.

    Args:
        path: the file, whose name may end in one of `COMPRESSED`.
        max_bytes: a longer text is refused, as by `read_bytes`.
        complaint: how a message begins.

    Raises:
        UserError: as `read_bytes` and `chunks`, or it is not UTF-8.
        OSError: the system refuses; with the path.
    """
    if is_compressed(path):
        content = _decompressed(path, max_bytes, complaint)
    else:
        content = read_bytes(path, max_bytes, complaint)
        check_decompressed(path, content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", errors="replace")
        line, column = place_in(before, len(before))
        raise UserError(
            f"{complaint}: {path}, line {line}, column {column}: the byte "
            f"0x{content[error.start]:02X} is not UTF-8. Save the file as UTF-8."
        ) from error


def read_bytes(path: Path, max_bytes: int | None, complaint: str) -> bytes:
    """The content of a regular file; a pipe could keep us waiting, and a device has no end.

    Args:
        path: the file.
        max_bytes: a longer file is refused; one of `reading/bounds.py`.
        complaint: how a message begins.

    Raises:
        UserError: there is no such file, it is none, or it is too long.
        OSError: the system refuses; with the path.
    """
    _check_regular(path, complaint)
    try:
        with naming_place(path), path.open("rb") as file:
            content = file.read() if max_bytes is None else file.read(max_bytes + 1)
    except FileNotFoundError:
        raise _missing(path) from None
    if max_bytes is not None and len(content) > max_bytes:
        raise _too_long(path, max_bytes, complaint)
    return content


def _decompressed(path: Path, max_bytes: int | None, complaint: str) -> bytes:
    _check_regular(path, complaint)
    content = bytearray()
    for chunk in chunks(path):
        content += chunk
        if max_bytes is not None and len(content) > max_bytes:
            raise _too_long(path, max_bytes, complaint)
    return bytes(content)


def _check_regular(path: Path, complaint: str) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{complaint}: {path} is not a regular file. Name a file.")
    except FileNotFoundError:
        raise _missing(path) from None


def _missing(path: Path) -> UserError:
    return UserError(f"no such file: {path}.")


def _too_long(path: Path, max_bytes: int, complaint: str) -> UserError:
    return UserError(
        f"{complaint}: {path} has more than {max_bytes:,} bytes. "
        "Expected no more in such a file. Name the right one, or shorten it."
    )


def place_in(text: str, position: int) -> tuple[int, int]:
    """Line and column, both from 1, of a position in a text."""
    *before, last = text[:position].split("\n")
    return len(before) + 1, len(last) + 1


def first_of(names: Sequence[str], *, most: int = 5) -> str:
    """The first of some names, and how many more there are.

    Example:
        >>> first_of(["a", "b", "c"], most=2)
        '"a", "b" and 1 more'
    """
    quoted = [json.dumps(name[:MAX_SHOWN], ensure_ascii=False) for name in names[:most]]
    return shortened([*quoted, *names[most:]], most)


def shown_json(value: object) -> str:
    """A value that a file holds, as JSON, not too long for a message.

    What callers give in Python is shown by `tidemask.settings.shown`.
    """
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
