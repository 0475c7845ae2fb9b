"""Rows to Arrow files and back: one record batch a file, whose rows are read one by one.

The files are Arrow streams with three columns of lists of one length and a length; they open with
`datasets.Dataset.from_file` too. Here they are read without it: a column of one record batch is one
array, whose place in the file is known.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tidemask.corpus.store.manifest import SplitCounts
from tidemask.corpus.store.packing import EncodedDocument, RowLayout, RowPacker, Rows
from tidemask.files.notes import FileNote
from tidemask.token_classes import NO_CLASS

SHARD_TOKENS = 1 << 22
"""Positions of one file: 32,768 rows of 128, about 16 MB."""

_ID_TYPES = (pa.uint8(), pa.uint16(), pa.uint32())


class SplitWriter:
    """Packs the documents of one split into rows and writes them, counted and hashed."""

    def __init__(self, directory: Path, layout: RowLayout, class_names: tuple[str, ...]) -> None:
        """Write into `directory`, which is made."""
        directory.mkdir()
        self._directory = directory
        self._class_names = class_names
        self._packer = RowPacker(layout)
        self._shard_rows = max(1, SHARD_TOKENS // layout.sequence_length)
        self._pending: list[Rows] = []
        self._num_pending = 0
        self._paths: list[Path] = []
        self._hash = RowHash()
        self._num_documents = self._num_sequences = self._num_tokens = self._num_words = 0
        self._class_counts = np.zeros(NO_CLASS + 1, np.int64)

    def add(self, document: EncodedDocument) -> None:
        """Add one more document."""
        self._num_documents += 1
        self._num_tokens += len(document.ids)
        self._num_words += document.num_words
        for rows in self._packer.add(document):
            self._keep(rows)

    def finish(self) -> tuple[SplitCounts, str]:
        """Write the rest; returns the counts and the SHA-256 of the rows, hexadecimal."""
        for rows in self._packer.finish():
            self._keep(rows)
        if self._num_pending or not self._paths:
            self._write_shard(self._num_pending)
        for index, path in enumerate(self._paths):
            path.rename(self._directory / f"rows-{index:05d}-of-{len(self._paths):05d}.arrow")
        counts = SplitCounts(
            num_documents=self._num_documents,
            num_sequences=self._num_sequences,
            num_tokens=self._num_tokens,
            num_words=self._num_words,
            class_counts=dict(zip(self._class_names, self._class_counts.tolist(), strict=False)),
        )
        return counts, self._hash.hexdigest()

    def _keep(self, rows: Rows) -> None:
        self._hash.update(rows)
        self._num_sequences += len(rows.length)
        self._class_counts += np.bincount(rows.token_class.ravel(), minlength=NO_CLASS + 1)
        self._pending.append(rows)
        self._num_pending += len(rows.length)
        while self._num_pending >= self._shard_rows:
            self._write_shard(self._shard_rows)

    def _write_shard(self, num_rows: int) -> None:
        """Write the first pending rows; the others stay pending."""
        rows = Rows.concatenate(self._pending)
        path = self._directory / f"rows-{len(self._paths):05d}.arrow"
        _write(path, rows[:num_rows])
        self._paths.append(path)
        self._pending = [rows[num_rows:]]
        self._num_pending -= num_rows


class RowHash:
    """SHA-256 of rows, whatever blocks they come in: of each column by itself, then of the four."""

    def __init__(self) -> None:
        self._columns = [hashlib.sha256() for _ in fields(Rows)]

    def update(self, rows: Rows) -> None:
        """Add rows after those before."""
        for digest, column in zip(self._columns, rows.columns(), strict=True):
            digest.update(np.ascontiguousarray(column).data)

    def hexdigest(self) -> str:
        """The hash of all rows so far, hexadecimal."""
        return hashlib.sha256(b"".join(digest.digest() for digest in self._columns)).hexdigest()


@dataclass(frozen=True, eq=False)
class Shard:
    """Where the rows of one file are.

    Attributes:
        path: of the file.
        note: how the file was when it was opened.
        num_rows: rows in it.
        sequence_length: tokens of a row.
        id_type: of the ids.
        offsets: bytes before each column, in the order of `Rows`.
    """

    path: Path
    note: FileNote
    num_rows: int
    sequence_length: int
    id_type: np.dtype[Any]
    offsets: tuple[int, ...]

    @classmethod
    def open(cls, path: Path) -> Shard:
        """Read the description of a file; no rows.

        Raises:
            ValueError, OSError: it is missing, truncated, or not a file of rows.
        """
        note = FileNote.of(path)
        with pa.memory_map(str(path)) as source:
            begin = source.read_buffer(source.size()).address
            source.seek(0)
            batches = list(pa.ipc.open_stream(source))
        if len(batches) != 1:
            raise ValueError(f"{len(batches)} record batches instead of one")
        (batch,) = batches
        columns = [batch.column(field.name) for field in fields(Rows)]
        length = columns[0].type.list_size
        values = [getattr(column, "values", column) for column in columns]
        types = [values[0].type, pa.bool_(), pa.uint8()]
        expected = [*(pa.list_(kind, length) for kind in types), pa.int32()]
        if types[0] not in _ID_TYPES or [column.type for column in columns] != expected:
            raise ValueError("its columns are of other types")
        return cls(
            path=path,
            note=note,
            num_rows=batch.num_rows,
            sequence_length=length,
            id_type=np.dtype(types[0].to_pandas_dtype()),
            offsets=tuple(value.buffers()[1].address - begin for value in values),
        )


def _write(path: Path, rows: Rows) -> None:
    length = rows.input_ids.shape[1]
    *matrices, lengths = rows.columns()
    arrays = [
        pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(matrix).ravel()), length)
        for matrix in matrices
    ]
    batch = pa.record_batch(
        [*arrays, pa.array(lengths)], names=[field.name for field in fields(Rows)]
    )
    with path.open("wb") as file:
        with pa.ipc.new_stream(file, batch.schema) as writer:
            writer.write_batch(batch)
        file.flush()
        os.fsync(file.fileno())
