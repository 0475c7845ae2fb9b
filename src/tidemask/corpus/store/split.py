"""The rows of one split by number, read from its files.

They are read and not mapped into memory: a file that is cut while it is mapped ends the process by
SIGBUS, without a word. The rows of a small split are read once and kept. Each time rows are taken,
their files are compared with what they were when they were opened, so that rows which were
written later are never used.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.packing import Rows
from tidemask.corpus.store.shards import Shard
from tidemask.errors import UserError
from tidemask.files.notes import FileNote
from tidemask.settings import shown
from tidemask.system_errors import refusal

MAX_OPEN_FILES = 128
"""Files of a split that stay open at a time; systems allow a process about a thousand."""

MAX_HELD_BYTES = 1 << 25
"""Size of the files of a split up to which its rows stay in memory, in each process that reads
them: a call of the system for each column of each row takes several times as long as a copy."""

_Integers = NDArray[np.int64]


class CorpusSplit:
    """The rows of one split, by number.

    It may be used in a forked process and pickled for another: the pickle has the places of the
    rows, and how the files were when they were opened.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        """Read from these files, in this order; at least one, all with rows of one form."""
        self._shards = tuple(shards)
        self._ends = np.cumsum([shard.num_rows for shard in shards])
        self._offsets = np.array([shard.offsets for shard in shards])
        self._files = _OpenFiles()
        num_bytes = sum(shard.note.num_bytes for shard in shards)
        self._is_held = num_bytes <= MAX_HELD_BYTES
        self._held: Rows | None = None

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def notes(self) -> dict[Path, FileNote]:
        """How each file was when it was opened."""
        return {shard.path: shard.note for shard in self._shards}

    def rows(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> Rows:
        """Copies of the rows at `indices`, in that order; in [0, number of rows).

        Raises:
            IndexError: there is no such row.
            UserError: a file is not what it was when it was opened, or cannot be read.
        """
        wanted = as_indices(indices).reshape(-1)
        outside = (wanted < 0) | (wanted >= len(self))
        if outside.any():
            raise IndexError(
                f"no such row: {wanted[outside][0]}. Expected a number from 0 to {len(self) - 1}."
            )
        if not self._is_held:
            return self._read(wanted)
        if self._held is None:
            self._held = self._read(np.arange(len(self)))
        else:
            self._files.check(
                [self._shards[number] for number in np.unique(self._shard_of(wanted))]
            )
        return self._held[wanted]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def _shard_of(self, wanted: _Integers) -> _Integers:
        return np.searchsorted(self._ends, wanted, side="right")

    def _read(self, wanted: _Integers) -> Rows:
        """The rows of these numbers, from the files."""
        shard_of = self._shard_of(wanted)
        # Rows that follow one another in a file are read at once.
        first = np.flatnonzero(
            (np.diff(wanted, prepend=-2) != 1) | (np.diff(shard_of, prepend=-1) != 0)
        )
        counts = np.diff(first, append=len(wanted))
        shards = shard_of[first]
        begin = wanted[first] - (self._ends - np.diff(self._ends, prepend=0))[shards]
        return self._read_stretches(shards, begin, counts)

    def _read_stretches(self, shards: _Integers, begin: _Integers, counts: _Integers) -> Rows:
        """The rows of stretches: each begins at a row of a file and has a number of them."""
        length, id_type = self._shards[0].sequence_length, self._shards[0].id_type
        row_bytes = length * id_type.itemsize
        # Word starts are bits, of which whole bytes are read: a row may begin within one.
        first_byte = begin * length // 8
        num_bytes = ((begin + counts) * length + 7) // 8 - first_byte
        first_bit = 8 * (np.cumsum(num_bytes) - num_bytes) + begin * length % 8
        number_in_stretch = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        row_bits = np.repeat(first_bit, counts) + number_in_stretch * length
        at = self._offsets[shards].T
        ids, starts, classes, lengths = self._files.read(
            [self._shards[number] for number in shards.tolist()],
            [
                (at[0] + begin * row_bytes, counts * row_bytes),
                (at[1] + first_byte, num_bytes),
                (at[2] + begin * length, counts * length),
                (at[3] + begin * 4, counts * 4),
            ],
        )
        bits = np.unpackbits(np.frombuffer(starts, np.uint8), bitorder="little")
        return Rows(
            np.frombuffer(ids, id_type).reshape(-1, length),
            bits[row_bits[:, None] + np.arange(length)].view(np.bool_),
            np.frombuffer(classes, np.uint8).reshape(-1, length),
            np.frombuffer(lengths, np.int32),
        )


def as_indices(indices: Any) -> NDArray[np.int64]:
    """Numbers of rows or samples as int64; a number that is no integer is not rounded.

    Raises:
        ValueError: they are no integers.
    """
    given = np.asarray(indices)
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(f"indices={shown(indices)}. Expected integers.")
    return given.astype(np.int64, copy=False)


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


class _OpenFiles:
    """The files that were read last, open to be read again; a pickle of it has none."""

    def __init__(self) -> None:
        self._opened = lru_cache(maxsize=MAX_OPEN_FILES)(_OpenFile)

    def read(
        self, shards: Sequence[Shard], columns: Sequence[tuple[_Integers, _Integers]]
    ) -> list[bytearray]:
        """What stands in files at offsets, in numbers of bytes; one after another, by column.

        Raises:
            UserError: a file is not as it was, or cannot be read.
        """
        with _named_refusals():
            opened = {shard: self._opened(shard) for shard in dict.fromkeys(shards)}
            readers = [opened[shard].read for shard in shards]
            found = []
            for offsets, counts in columns:
                places = zip(readers, counts.tolist(), offsets.tolist(), strict=True)
                parts = [read(count, offset) for read, count, offset in places]
                found.append(bytearray().join(parts))
        for file in opened.values():
            file.check()
        return found

    def check(self, shards: Iterable[Shard]) -> None:
        """Compare files with what they were, without reading them.

        Raises:
            UserError: a file is not as it was, or cannot be opened any more.
        """
        with _named_refusals():
            for shard in shards:
                self._opened(shard).check()

    def __reduce__(self) -> tuple[type[_OpenFiles], tuple[()]]:
        return _OpenFiles, ()


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

    def __init__(self, shard: Shard) -> None:
        self._shard = shard
        self._number = os.open(shard.path, os.O_RDONLY)
        # Not by `__del__`, for which nothing of a module may be left when Python ends.
        weakref.finalize(self, os.close, self._number).atexit = False

    def check(self) -> None:
        """Compare it with what it was."""
        check_file(self._shard.path, self._shard.note, self._number)

    def read(self, count: int, offset: int) -> bytes:
        """As many bytes from an offset; the system may give less at a time.

        Raises:
            OSError: it cannot be read; with its path.
            UserError: it ends before.
        """
        found = b""
        while len(found) < count:
            try:
                part = os.pread(self._number, count - len(found), offset + len(found))
            except OSError as error:
                error.filename = str(self._shard.path)
                raise
            if not part:
                self.check()
                raise _changed(self._shard.path, f"ends at byte {offset + len(found):,}")
            found += part
        return found
