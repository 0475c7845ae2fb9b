"""Rows to Arrow files and back: one record batch a file, whose rows are read one by one.

The files are Arrow streams with three columns of lists of one length and a length; they open with
`datasets.Dataset.from_file` too. Here they are read without it: a column of one record batch is one
array, whose place in the file is known.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tidemask.corpus.store.manifest import SplitCounts
from tidemask.corpus.store.packing import RowPacker
from tidemask.corpus.store.pieces import Pieces
from tidemask.corpus.store.record_batches import columns_of_batch, described_batch, write_stream
from tidemask.corpus.store.rows import EncodedDocument, RowLayout, Rows
from tidemask.corpus.store.rows_unmasked import RowsUnmasked
from tidemask.corpus.store.tables import TableWriter, continued_files
from tidemask.files.notes import FileNote
from tidemask.token_classes import NO_CLASS

SHARD_TOKENS = 1 << 22
"""Positions of one file: 32,768 rows of 128, about 16 MB."""

_ID_TYPES = (pa.uint8(), pa.uint16(), pa.uint32())


class SplitWriter:
    """Packs the documents of one split into rows and writes them, counted and hashed."""

    def __init__(
        self, directory: Path, layout: RowLayout, class_names: tuple[str, ...], pieces: TableWriter
    ) -> None:
        """Write into `directory`, which is made, and what rows have of which document to `pieces`.

        Args:
            directory: of the rows.
            layout: of a row.
            class_names: names of the classes that are counted.
            pieces: a table of `PIECES`.
        """
        directory.mkdir(exist_ok=True)
        self._pieces = pieces
        self._directory = directory
        self._class_names = class_names
        self._packer = RowPacker(layout)
        self._shard_rows = max(1, SHARD_TOKENS // layout.sequence_length)
        self._pending: list[Rows] = []
        self._num_pending = 0
        self._paths: list[Path] = []
        self._hash = RowHash()
        self._unmasked = RowsUnmasked()
        self._unknown_id = layout.unknown_id
        self._special_ids = np.array(layout.special_ids, np.uint32)
        self._counts: Counter[str] = Counter()
        self._class_counts = np.zeros(NO_CLASS + 1, np.int64)

    def add(self, document: EncodedDocument, number: int) -> None:
        """Add one more document, which pieces name by its number."""
        self._counts["num_documents"] += 1
        self._counts["num_tokens"] += len(document.ids)
        self._counts["num_words"] += document.num_words
        num_special = int(np.count_nonzero(np.isin(document.ids, self._special_ids)))
        self._counts["num_special"] += num_special
        if self._unknown_id is not None:
            num_unknown = int(np.count_nonzero(document.ids == self._unknown_id))
            self._counts["num_unknown"] += num_unknown
        for rows, pieces in self._packer.add(document, number):
            self._keep(rows, pieces)

    def finish(self) -> tuple[SplitCounts, str]:
        """Write the rest; returns the counts and the SHA-256 of the rows, hexadecimal."""
        for rows, pieces in self._packer.finish():
            self._keep(rows, pieces)
        if self._num_pending or not self._paths:
            self._write_shard(self._num_pending)
        self._pieces.finish()
        for index, path in enumerate(self._paths):
            path.rename(self._directory / f"rows-{index:05d}-of-{len(self._paths):05d}.arrow")
        counts = SplitCounts(
            num_documents=self._counts["num_documents"],
            num_sequences=self._counts["num_sequences"],
            num_tokens=self._counts["num_tokens"],
            num_words=self._counts["num_words"],
            class_counts=dict(zip(self._class_names, self._class_counts.tolist(), strict=False)),
            num_unknown=None if self._unknown_id is None else self._counts["num_unknown"],
            num_special=self._counts["num_special"],
        )
        return counts, self._hash.hexdigest()

    def note(self, words: str) -> str | None:
        """What a user should know about the rows so far; `None` for nothing.

        Args:
            words: the rule by which words were cut.
        """
        return self._unmasked.note(words)

    def state(self) -> dict[str, NDArray[Any]]:
        """What is not in files yet, and what was counted, to go on from; all else is written."""
        for rows, pieces in self._packer.flush():
            self._keep(rows, pieces)
        self._pieces.flush()
        pending = Rows.concatenate(self._pending) if self._pending else None
        return {
            "num_files": np.array([len(self._paths), self._pieces.num_files]),
            "counts": np.array([*self._counts.values()]),
            "count_names": np.array([*self._counts.keys()], np.str_),
            "class_counts": self._class_counts,
            **({} if pending is None else vars(pending)),
            **{f"packer_{name}": value for name, value in self._packer.state().items()},
        }

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state; the files that were written before are read once, for their hash."""
        num_shards, num_piece_files = state["num_files"].tolist()
        self._paths = continued_files(self._directory, num_shards)
        for path in self._paths:
            self._take_account_of(_read(path))
        self._pieces.go_on_after(num_piece_files)
        self._counts = Counter(
            dict(zip(state["count_names"].tolist(), state["counts"].tolist(), strict=True))
        )
        self._class_counts = state["class_counts"]
        if "length" in state:
            pending = Rows(*(state[field.name] for field in fields(Rows)))
            self._take_account_of(pending)
            self._pending, self._num_pending = [pending], len(pending.length)
        mark = "packer_"
        self._packer.restore(
            {name.removeprefix(mark): state[name] for name in state if name.startswith(mark)}
        )

    def _keep(self, rows: Rows, pieces: Pieces) -> None:
        self._pieces.add(vars(pieces))
        self._take_account_of(rows)
        self._counts["num_sequences"] += len(rows.length)
        self._class_counts += np.bincount(rows.token_class.ravel(), minlength=NO_CLASS + 1)
        self._pending.append(rows)
        self._num_pending += len(rows.length)
        while self._num_pending >= self._shard_rows:
            self._write_shard(self._shard_rows)

    def _take_account_of(self, rows: Rows) -> None:
        """What is summed up of rows, and again of those that were written before."""
        self._hash.update(rows)
        self._unmasked.add(rows)

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
        batch, begin = described_batch(path)
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


def _read(path: Path) -> Rows:
    """All rows of a file."""
    *lists, lengths = columns_of_batch(path, [field.name for field in fields(Rows)])
    length = lists[0].type.list_size
    ids, word_starts, classes = (
        column.values.to_numpy(zero_copy_only=False).reshape(-1, length) for column in lists
    )
    return Rows(ids, word_starts, classes, lengths.to_numpy())


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
    write_stream(path, batch)
