"""The rows of one split by number, read from its files.

A call of the system for each column of each row takes longer than a copy,
so small columns, which are all those of a small split, are read once and kept. Each time rows are
taken, their files are compared with what they were when they were opened, so that rows which were
written later are never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.open_files import OpenFiles
from tidemask.corpus.store.pieces import PieceTable
from tidemask.corpus.store.rows import Rows
from tidemask.corpus.store.shards import Shard
from tidemask.files.notes import FileNote
from tidemask.settings import shown

MAX_HELD_BYTES = 1 << 25
"""Bytes of columns of a split that stay in memory, in each process that reads it, whole columns and
the smallest first. Lengths and word starts are a twentieth of the rows, and half of the calls."""

_IDS, _WORD_STARTS, _CLASSES, _LENGTHS = range(4)
"""Columns, in the order of `Rows`."""

_Integers = NDArray[np.int64]


class CorpusSplit:
    """The rows of one split, by number.

    It may be used in a forked process and pickled for another: the pickle has the places of the
    rows, and how the files were when they were opened.
    """

    def __init__(self, shards: Sequence[Shard], pieces: Path = Path()) -> None:
        """Read from files.

        Args:
            shards: the files of the rows, in order; at least one, all with rows of one form.
            pieces: directory of the table of pieces, which need not be there.
        """
        self._shards = tuple(shards)
        self._pieces = pieces
        self._ends = np.cumsum([shard.num_rows for shard in shards])
        self._offsets = np.array([shard.offsets for shard in shards])
        self._files = OpenFiles()
        self._held_columns = self._small_columns()
        self._held: dict[int, NDArray[Any]] | None = None

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def notes(self) -> dict[Path, FileNote]:
        """How each file was when it was opened."""
        return {shard.path: shard.note for shard in self._shards}

    @property
    def file_rows(self) -> list[int]:
        """Rows of each file."""
        return [shard.num_rows for shard in self._shards]

    @property
    def pieces(self) -> PieceTable:
        """Which document each stretch of a row is from.

        Raises:
            UserError: the corpus is of an earlier version, without them; or a file is missing.
        """
        return PieceTable.open(self._pieces)

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
        if self._held is None:
            self._held = self._read_held()
        found = {column: values[wanted] for column, values in self._held.items()}
        if _WORD_STARTS in found:
            found[_WORD_STARTS] = _unpacked(found[_WORD_STARTS], self._shards[0].sequence_length)
        others = [column for column in range(4) if column not in found]
        found.update(zip(others, self._read(wanted, others), strict=True))
        return Rows(*(found[column] for column in range(4)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_held": None}

    def _shard_of(self, wanted: _Integers) -> _Integers:
        return np.searchsorted(self._ends, wanted, side="right")

    def _small_columns(self) -> list[int]:
        """The columns that stay in memory."""
        shard = self._shards[0]
        length = shard.sequence_length
        row_bytes = (length * shard.id_type.itemsize, (length + 7) // 8, length, 4)
        smallest_first = sorted(range(4), key=lambda column: row_bytes[column])
        together = np.cumsum([len(self) * row_bytes[column] for column in smallest_first])
        return smallest_first[: int(np.sum(together <= MAX_HELD_BYTES))]

    def _read_held(self) -> dict[int, NDArray[Any]]:
        """The columns that stay in memory, of all rows; word starts as bits."""
        blocks: dict[int, list[NDArray[Any]]] = {column: [] for column in self._held_columns}
        for shard, end in zip(self._shards, self._ends, strict=True) if blocks else ():
            rows = np.arange(end - shard.num_rows, end)
            for column, values in zip(blocks, self._read(rows, self._held_columns), strict=True):
                blocks[column].append(_packed(values) if column == _WORD_STARTS else values)
        return {column: np.concatenate(parts) for column, parts in blocks.items()}

    def _read(self, wanted: _Integers, columns: Sequence[int]) -> list[NDArray[Any]]:
        """Columns of the rows of these numbers, from the files, which are compared in any case."""
        shard_of = self._shard_of(wanted)
        if not columns:
            self._files.check([self._shards[number] for number in np.unique(shard_of)])
            return []
        # Rows that follow one another in a file are read at once.
        first = np.flatnonzero(
            (np.diff(wanted, prepend=-2) != 1) | (np.diff(shard_of, prepend=-1) != 0)
        )
        counts = np.diff(first, append=len(wanted))
        shards = shard_of[first]
        begin = wanted[first] - (self._ends - np.diff(self._ends, prepend=0))[shards]
        return self._read_stretches(shards, begin, counts, columns)

    def _read_stretches(
        self, shards: _Integers, begin: _Integers, counts: _Integers, columns: Sequence[int]
    ) -> list[NDArray[Any]]:
        """Columns of stretches: each begins at a row of a file and has a number of rows."""
        length, id_type = self._shards[0].sequence_length, self._shards[0].id_type
        row_bytes = length * id_type.itemsize
        # Word starts are bits, of which whole bytes are read: a row may begin within one.
        first_byte = begin * length // 8
        num_bytes = ((begin + counts) * length + 7) // 8 - first_byte
        at = self._offsets[shards].T
        places = {
            _IDS: (at[_IDS] + begin * row_bytes, counts * row_bytes),
            _WORD_STARTS: (at[_WORD_STARTS] + first_byte, num_bytes),
            _CLASSES: (at[_CLASSES] + begin * length, counts * length),
            _LENGTHS: (at[_LENGTHS] + begin * 4, counts * 4),
        }
        found = self._files.read(
            [self._shards[number] for number in shards.tolist()],
            [places[column] for column in columns],
        )

        def rows_of(column: int, values: bytearray) -> NDArray[Any]:
            if column == _LENGTHS:
                return np.frombuffer(values, np.int32)
            if column != _WORD_STARTS:
                kind = id_type if column == _IDS else np.uint8
                return np.frombuffer(values, kind).reshape(-1, length)
            first_bit = 8 * (np.cumsum(num_bytes) - num_bytes) + begin * length % 8
            in_stretch = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            row_bits = np.repeat(first_bit, counts) + in_stretch * length
            bits = np.unpackbits(np.frombuffer(values, np.uint8), bitorder="little").view(np.bool_)
            of_rows: NDArray[np.bool_] = bits[row_bits[:, None] + np.arange(length)]
            return of_rows

        return [rows_of(*each) for each in zip(columns, found, strict=True)]


def _packed(word_starts: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """A row of bytes for each row of bits, [n, L] to [n, ceil(L / 8)]."""
    return np.packbits(word_starts, axis=1)


def _unpacked(bits: NDArray[np.uint8], length: int) -> NDArray[np.bool_]:
    """What `_packed` has packed."""
    return np.unpackbits(bits, axis=1, count=length).view(np.bool_)


def as_indices(indices: Any) -> NDArray[np.int64]:
    """Numbers of rows or samples as int64; a number that is no integer is not rounded.

    Raises:
        ValueError: they are no integers.
    """
    given = np.asarray(indices)
    if given.size and given.dtype.kind not in "iu":
        raise ValueError(f"indices={shown(indices)}. Expected integers.")
    return given.astype(np.int64, copy=False)
