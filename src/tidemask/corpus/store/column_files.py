"""The files of a column: one for each file of rows, with as many rows, in the same order.

Each is an Arrow stream of one record batch with one column of lists of one length. A file is there
once it is whole: it is written under another name and renamed. Of groups that go on from a row
before, which the values do not tell, the file has the numbers beside them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemask.corpus.store.record_batches import columns_of_batch, described_batch, write_stream
from tidemask.files.notes import FileNote
from tidemask.token_classes import COLUMN_FORMS, ColumnKind

_FIELD = "values"
_CONTINUED, _CUT = b"groups_continued", b"groups_cut"
"""Keys of the metadata of a file of groups."""


@dataclass(frozen=True)
class ColumnFile:
    """Where the values of one file are.

    Attributes:
        path: of the file.
        note: how the file was when it was opened.
        num_rows: rows in it.
        offset: bytes before the first value.
    """

    path: Path
    note: FileNote
    num_rows: int
    offset: int

    @classmethod
    def open(cls, path: Path, kind: ColumnKind, sequence_length: int) -> ColumnFile:
        """Read the description of a file; no values.

        Raises:
            ValueError, OSError: it is missing, truncated, or does not hold such rows.
        """
        note = FileNote.of(path)
        batch, begin = described_batch(path)
        column = batch.column(_FIELD)
        expected = pa.list_(pa.from_numpy_dtype(COLUMN_FORMS[kind][0]), sequence_length)
        if column.type != expected or column.null_count or column.values.null_count:
            raise ValueError("its values are of another type")
        return cls(path, note, len(column), column.values.buffers()[1].address - begin)


class ColumnWriter:
    """Writes the values of the rows of one split, in order, to files of given numbers of rows.

    Files that are there already are gone on after.
    """

    def __init__(
        self, directory: Path, kind: ColumnKind, sequence_length: int, file_rows: Sequence[int]
    ) -> None:
        """Write into a directory, which is made.

        Args:
            directory: of the split.
            kind: of the column.
            sequence_length: values of a row.
            file_rows: rows of each file.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._kind, self._length = directory, kind, sequence_length
        self._file_rows = list(file_rows)
        self._num_files = 0
        while self._num_files < len(file_rows) and self._path(self._num_files).is_file():
            self._num_files += 1
        self._pending = np.empty((0, sequence_length), COLUMN_FORMS[kind][0])
        self._pending_cuts = np.empty((0, 2), np.int64)

    @property
    def first_row(self) -> int:
        """The first row that is not in files."""
        return sum(self._file_rows[: self._num_files])

    def add(self, rows: NDArray[Any], cuts: NDArray[np.int64] | None = None) -> None:
        """Add the next rows [n, L]; a file is written once it is full.

        Args:
            rows: their values.
            cuts: of each row [n, 2], the groups in it that earlier rows have a part of, and those
                among them of which a single earlier row has one; `None` for none.
        """
        cuts = np.zeros((len(rows), 2), np.int64) if cuts is None else cuts
        self._pending = np.concatenate([self._pending, rows.astype(self._pending.dtype)])
        self._pending_cuts = np.concatenate([self._pending_cuts, cuts])
        while self._num_files < len(self._file_rows):
            size = self._file_rows[self._num_files]
            if len(self._pending) < size:
                return
            self._write(self._pending[:size], self._pending_cuts[:size])
            self._pending, self._pending_cuts = self._pending[size:], self._pending_cuts[size:]

    def finish(self) -> None:
        """Give rows that were not added no values, and write the rest."""
        missing = sum(self._file_rows) - self.first_row - len(self._pending)
        dtype, none = COLUMN_FORMS[self._kind]
        self.add(np.full((missing, self._length), none, dtype))

    def _path(self, index: int) -> Path:
        return self._directory / file_name(index, len(self._file_rows))

    def _write(self, rows: NDArray[Any], cuts: NDArray[np.int64]) -> None:
        values = pa.array(np.ascontiguousarray(rows).ravel())
        batch = pa.record_batch(
            [pa.FixedSizeListArray.from_arrays(values, self._length)], names=[_FIELD]
        )
        if self._kind == "group":
            numbers = zip((_CONTINUED, _CUT), cuts.sum(0).tolist(), strict=True)
            batch = batch.replace_schema_metadata({key: str(n) for key, n in numbers})
        path = self._path(self._num_files)
        aside = path.with_suffix(".tmp")
        write_stream(aside, batch)
        aside.rename(path)
        self._num_files += 1


def file_name(index: int, number: int) -> str:
    """The name of a file of a column, of so many."""
    return f"rows-{index:05d}-of-{number:05d}.arrow"


def values_in(paths: Iterable[Path]) -> Iterator[NDArray[Any]]:
    """All values of each file, [n, L].

    Raises:
        UserError: a file is damaged.
    """
    for path in paths:
        [column] = columns_of_batch(path, [_FIELD])
        yield column.values.to_numpy().reshape(len(column), column.type.list_size)


def cut_groups(paths: Iterable[Path]) -> tuple[int, int]:
    """Groups of files that rows cut, as `ColumnWriter` noted them.

    Returns:
        Their parts but for the first of each, and how many such groups there are.
    """
    num_continued = num_cut = 0
    for path in paths:
        noted = described_batch(path)[0].schema.metadata or {}
        num_continued += int(noted.get(_CONTINUED, 0))
        num_cut += int(noted.get(_CUT, 0))
    return num_continued, num_cut


def values_hash(arrays: Iterable[NDArray[Any]]) -> str:
    """SHA-256 of the values of files, one after another, hexadecimal."""
    digest = hashlib.sha256()
    for values in arrays:
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
