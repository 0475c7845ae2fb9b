"""Rows to Arrow files and back: one record batch a file, memory-mapped when read.

The files are Arrow streams with three columns of lists of one length and a length; they open with
`datasets.Dataset.from_file` too. Here they are read without it, as arrays over the mapped memory:
a column of one record batch is one array, from which any rows are taken in one operation.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemask.corpus.store.manifest import SplitCounts
from tidemask.corpus.store.packing import EncodedDocument, RowLayout, RowPacker, Rows
from tidemask.token_classes import NO_CLASS

SHARD_TOKENS = 1 << 22
"""Positions of one file: 32,768 rows of 128, about 16 MB."""


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


class Shard:
    """The rows of one file, mapped into memory; only those at the given indices are read."""

    def __init__(self, path: Path) -> None:
        """Map the file.

        Raises:
            ValueError, OSError: it is missing, truncated, or not a file of rows.
        """
        with pa.memory_map(str(path)) as source:
            batches = list(pa.ipc.open_stream(source))
        if len(batches) != 1:
            raise ValueError(f"{len(batches)} record batches instead of one")
        (batch,) = batches
        self.num_rows: int = batch.num_rows
        self.sequence_length: int = batch.schema.field("input_ids").type.list_size
        self._input_ids = self._matrix(batch.column("input_ids"))
        self._token_class = self._matrix(batch.column("token_class"))
        bits = batch.column("word_start").values.buffers()[1]
        self._word_start_bits = np.frombuffer(bits, np.uint8)
        self._length: NDArray[np.int32] = batch.column("length").to_numpy()

    def rows(self, indices: NDArray[np.int64]) -> Rows:
        """Copies of the rows at `indices`, in that order."""
        bits = indices[:, None] * self.sequence_length + np.arange(self.sequence_length)
        octets = self._word_start_bits[bits >> 3]
        return Rows(
            self._input_ids[indices],
            ((octets >> (bits & 7).astype(np.uint8)) & 1).astype(np.bool_),
            self._token_class[indices],
            self._length[indices],
        )

    def _matrix(self, column: Any) -> NDArray[Any]:  # a pyarrow.FixedSizeListArray
        values: NDArray[Any] = column.values.to_numpy(zero_copy_only=True)
        return values.reshape(self.num_rows, self.sequence_length)


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
