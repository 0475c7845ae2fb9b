"""The files of a split, open to be read at any place, and compared with what they were.

They are read and not mapped into memory: a file that is cut while it is mapped ends the process by
SIGBUS, without a word.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tidemask.errors import UserError
from tidemask.files.notes import FileNote
from tidemask.system_errors import refusal

MAX_OPEN_FILES = 128
"""Files of a split that stay open at a time; systems allow a process about a thousand."""

Places = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Offsets in files, and how many bytes are read at each."""


class NotedFile(Protocol):
    """A file with how it was when it was opened; hashable."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def note(self) -> FileNote:
        """How it was."""

    def __hash__(self) -> int: ...


def check_file(path: Path, note: FileNote, file: Path | int) -> None:
    """Compare a file of a corpus with what was noted of it.

    Args:
        path: what a message calls it.
        note: how it was.
        file: its path, or its descriptor where it is open.

    Raises:
        UserError: it is gone, or is not as it was.
    """
    if difference := note.difference(file):
        raise _changed(path, difference)


def _changed(path: Path, difference: str) -> UserError:
    return UserError(
        f"corpus changed while it was in use: {path} {difference}. Restore it, then give the "
        "command again; `tidemask resume` continues a run from its last checkpoint."
    )


class OpenFiles:
    """The files that were read last, open to be read again; a pickle of it has none."""

    def __init__(self) -> None:
        self._opened = lru_cache(maxsize=MAX_OPEN_FILES)(_OpenFile)

    def read(self, shards: Sequence[NotedFile], columns: Sequence[Places]) -> list[bytearray]:
        """What stands at places in these files; by column, one place after another.

        Raises:
            UserError: a file is not as it was, or cannot be read.
        """
        with _named_refusals():
            opened = {shard: self._opened(shard) for shard in dict.fromkeys(shards)}
            files = [opened[shard] for shard in shards]
            found = [_joined(files, *places) for places in columns]
        for file in opened.values():
            file.check()
        return found

    def check(self, shards: Iterable[NotedFile]) -> None:
        """Compare files with what they were, without reading them.

        Raises:
            UserError: a file is not as it was, or cannot be opened any more.
        """
        with _named_refusals():
            for shard in shards:
                self._opened(shard).check()

    def __reduce__(self) -> tuple[type[OpenFiles], tuple[()]]:
        return OpenFiles, ()


def _joined(
    files: Sequence[_OpenFile], offsets: NDArray[np.int64], counts: NDArray[np.int64]
) -> bytearray:
    """As many bytes of each file from an offset, one after another."""
    # For some hundred bytes at a time, what Python does around a call takes longer than the call.
    sizes, places = counts.tolist(), offsets.tolist()
    try:
        parts = list(map(os.pread, [file.number for file in files], sizes, places))
    except OSError:  # one by one, to name the file
        parts = []
    if list(map(len, parts)) != sizes:
        parts = [file.read(*each) for file, *each in zip(files, sizes, places, strict=True)]
    return bytearray().join(parts)


@contextmanager
def _named_refusals() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if (refused := refusal(error)) is None:
            raise
        raise UserError(f"cannot read: {refused}, then give the command again.") from error


class _OpenFile:
    """The file of a shard, which is closed when nobody needs it."""

    def __init__(self, shard: NotedFile) -> None:
        self._shard = shard
        self.number = os.open(shard.path, os.O_RDONLY)
        # Not by `__del__`, for which nothing of a module may be left when Python ends.
        weakref.finalize(self, os.close, self.number).atexit = False

    def check(self) -> None:
        """Compare it with what it was."""
        check_file(self._shard.path, self._shard.note, self.number)

    def read(self, count: int, offset: int) -> bytes:
        """As many bytes from an offset; the system may give less at a time.

        Raises:
            OSError: it cannot be read; with its path.
            UserError: it ends before.
        """
        found = b""
        while len(found) < count:
            try:
                part = os.pread(self.number, count - len(found), offset + len(found))
            except OSError as error:
                error.filename = str(self._shard.path)
                raise
            if not part:
                self.check()
                raise _changed(self._shard.path, f"ends at byte {offset + len(found):,}")
            found += part
        return found
