"""Tables beside the rows of a corpus, in Arrow files that pandas, datasets and pyarrow open too.

The files of a table lie in a directory of their own, each an Arrow stream of one record batch:
`NAME-00000-of-00002.arrow`. They are read whole, one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from tidemask.corpus.store.record_batches import write_stream
from tidemask.errors import UserError
from tidemask.files.notes import FileNote
from tidemask.reading import ANY_LENGTH, read_bytes
from tidemask.system_errors import raise_out_of_memory, why_refused

FILE_ROWS = 1 << 16
"""Rows of one file of a table."""

_ADVICE = "Restore it, or prepare the text again."


class TableWriter:
    """Writes rows of a table to files in a new directory, a file once it is full."""

    def __init__(self, directory: Path, schema: pa.Schema) -> None:
        """Write into `directory`, which is made."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory, self._schema = directory, schema
        self._pending: list[pa.RecordBatch] = []
        self._num_pending = 0
        self.num_files = 0
        """Files that are written."""

    def go_on_after(self, num_files: int) -> None:
        """Write after as many files that are there already; others are removed."""
        self.num_files = len(continued_files(self._directory, num_files))

    def add(self, columns: Mapping[str, Any]) -> None:
        """Add rows: a sequence or an array of values for each column of the schema."""
        arrays = [pa.array(columns[field.name], field.type) for field in self._schema]
        batch = pa.record_batch(arrays, schema=self._schema)
        self._pending.append(batch)
        self._num_pending += batch.num_rows
        if self._num_pending >= FILE_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait to a file, if any do."""
        if self._num_pending:
            self._write()

    def finish(self) -> None:
        """Write the rest, one file at least, and give the files their last names."""
        if self._num_pending or not self.num_files:
            self._write()
        for index in range(self.num_files):
            path = self._path(index)
            path.rename(path.with_stem(f"{path.stem}-of-{self.num_files:05d}"))

    def _path(self, index: int) -> Path:
        return self._directory / f"{self._directory.name}-{index:05d}.arrow"

    def _write(self) -> None:
        table = _joined(pa.Table.from_batches(self._pending, self._schema))
        write_stream(self._path(self.num_files), table)
        self._pending, self._num_pending = [], 0
        self.num_files += 1


def continued_files(directory: Path, number: int) -> list[Path]:
    """The first files of a directory under the names that they have while others are written.

    A process that was ended may have given them their last names, or have written more of them.
    """
    paths = {}
    for path in sorted(directory.glob("*.arrow")):
        first_name = path.with_stem(path.stem.partition("-of-")[0])
        path.rename(first_name)
        paths[first_name] = int(first_name.stem.rpartition("-")[2])
    for path, index in paths.items():
        if index >= number:
            path.unlink()
    return [path for path, index in paths.items() if index < number]


@dataclass(frozen=True)
class TableFiles:
    """The files of a table, in order, and the columns that it must have, without nulls."""

    paths: tuple[Path, ...]
    columns: tuple[str, ...]

    @classmethod
    def find(cls, directory: Path, columns: Sequence[str]) -> TableFiles:
        """Those in a directory.

        Raises:
            UserError: there are none, as in corpora of earlier versions, or not all.
        """
        paths = sorted(directory.glob(f"{directory.name}-[0-9]*-of-[0-9]*.arrow"))
        if not paths:
            raise UserError(
                f"corpus without its documents: there is no {directory}. Corpora of earlier "
                "versions do not say which document a row is from. Prepare the text again."
            )
        expected = int(paths[0].stem.rpartition("-")[2])
        if len(paths) != expected:
            raise UserError(
                f"incomplete corpus: {directory} has {len(paths)} of {expected} files. {_ADVICE}"
            )
        return cls(tuple(paths), tuple(columns))

    def read(self, index: int) -> pa.Table:
        """The rows of one file.

        Raises:
            UserError: it cannot be read, or is damaged.
        """
        path = self.paths[index]
        try:
            return _read(path, FileNote.of(path), self.columns)
        except OSError as error:
            raise UserError(f"cannot read: {why_refused(error, path)}.") from error
        except (pa.ArrowException, KeyError, ValueError) as error:
            raise_out_of_memory(error)
            raise damaged_table(path) from error


def damaged_table(path: Path) -> UserError:
    """The error for a file, or a directory of files, that does not hold what was written."""
    return UserError(f"incomplete corpus: {path} is damaged. {_ADVICE}")


@lru_cache(maxsize=4)
def _read(path: Path, note: FileNote, columns: tuple[str, ...]) -> pa.Table:  # noqa: ARG001  # another file has another note
    table = pa.ipc.open_stream(read_bytes(path, ANY_LENGTH, "damaged corpus")).read_all()
    table.validate(full=True)
    if any(table.column(name).null_count for name in columns):
        raise ValueError(f"nulls in {path}")
    return table


def whole_table(files: TableFiles) -> pa.Table:
    """All rows of a table in memory."""
    tables: Sequence[pa.Table] = [files.read(index) for index in range(len(files.paths))]
    return _joined(pa.concat_tables(tables))


def _joined(table: pa.Table) -> pa.Table:
    """The same rows in one record batch, with one dictionary for each column that has any."""
    return table.unify_dictionaries().combine_chunks()
