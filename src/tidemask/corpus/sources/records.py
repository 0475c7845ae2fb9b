"""The records of a file: lines of JSON, rows of Parquet and Arrow; those of tables in `tables.py`.

Files are streamed: a line, or a few rows of one row group, are held at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tidemask.corpus.sources.decoding import Decoding, read_records
from tidemask.corpus.sources.fields import Record, columns_with
from tidemask.errors import UserError, one_line
from tidemask.files.paths import check_plain_file
from tidemask.reading import parse_json
from tidemask.system_errors import raise_out_of_memory, why_refused

_BATCH_ROWS = 256
"""Rows of a column that are read at once."""

_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read ahead."""

_ONE_RECORD = "Expected one JSON object per line"
_ARRAY = (
    f"{_ONE_RECORD}, not an array of them. Write its records to lines, as `jq -c '.[]' FILE > "
    "FILE.jsonl` does."
)
_SPREAD = (
    f"{_ONE_RECORD}, not one over several lines. Write it to a line, as `jq -c . FILE > "
    "FILE.jsonl` does."
)


def json_records(path: Path, decoding: Decoding, max_characters: int) -> Iterator[Record]:
    """The objects of a file of JSON Lines; blank lines are skipped.

    Args:
        path: the file.
        decoding: of its bytes.
        max_characters: of a line.

    Raises:
        UserError: a line is not a JSON object or has a key twice, or the file cannot be read.
    """
    lines = read_records(path, max_characters=max_characters, decoding=decoding)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = parse_json(
            line,
            dict[str, Any],
            f"record: {path}, line {number}",
            advice=_advice(line) if number == 1 else f"{_ONE_RECORD}.",
            may_be_infinite=True,
        )
        yield Record(fields, number)


def _advice(first_line: str) -> str:
    """What to do where the first line is no record."""
    begin = first_line.strip()
    if begin.startswith("["):
        return _ARRAY
    return _SPREAD if begin == "{" else f"{_ONE_RECORD}."


def parquet_records(path: Path, fields: Sequence[str]) -> Iterator[Record]:
    """The rows of a Parquet file, with the given fields alone; the first one must be there.

    Raises:
        UserError: the first field is missing, two columns have one name, or the file is damaged.
    """
    check_plain_file(path)
    # Without these two options all that was read of a file stays in memory.
    options = {"pre_buffer": False, "buffer_size": _BUFFER_BYTES}
    with _naming_damage(path, "Parquet"), pq.ParquetFile(path, **options) as file:
        columns = columns_with(file.schema_arrow.names, fields, str(path))
        batches = file.iter_batches(batch_size=_BATCH_ROWS, columns=columns)
        yield from _rows_of(batches, path)


def arrow_records(path: Path, fields: Sequence[str]) -> Iterator[Record]:
    """The rows of an Arrow file or stream, as `parquet_records`.

    It is read and not mapped: one that is cut meanwhile is damaged, and no SIGBUS.
    """
    check_plain_file(path)
    with _naming_damage(path, "Arrow"), pa.OSFile(str(path)) as opened:
        try:
            reader = pa.ipc.open_stream(opened)
            batches: Any = reader
        except pa.ArrowInvalid:  # it has the layout of a file
            reader = pa.ipc.open_file(opened)
            batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
        columns = columns_with(reader.schema.names, fields, str(path))
        yield from _rows_of(_parts(batches, columns), path)


def _parts(batches: Iterator[pa.RecordBatch], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """So many rows at a time of some columns, checked: damaged offsets lead anywhere in memory."""
    for batch in batches:
        chosen = batch.select(columns)
        chosen.validate(full=True)
        for start in range(0, chosen.num_rows, _BATCH_ROWS):
            yield chosen.slice(start, _BATCH_ROWS)


_NO_VALUE = (ValueError, OverflowError, KeyError)
"""What reading a value ends in that Python does not have; an unknown time zone is a missing key."""


def _rows_of(batches: Iterator[pa.RecordBatch], path: Path) -> Iterator[Record]:
    number = 0
    for batch in batches:
        try:
            rows = batch.to_pylist()
        except UnicodeDecodeError:
            raise
        except _NO_VALUE as error:
            if (found := _no_value_in(batch)) is None:
                raise
            row, name = found
            raise UserError(
                f"value without an equal in Python: {path}, row {number + row + 1:,}: {name}, of "
                f"type {batch.schema.field(name).type}: {one_line(error)}. Expected such as a date "
                "of the years 1 to 9999, and a time zone that is known. Fix the row, or leave out "
                "the field (--keep)."
            ) from error
        for fields in rows:
            number += 1
            yield Record(fields, number)


def _no_value_in(batch: pa.RecordBatch) -> tuple[int, str] | None:
    """Row and column of the first value that Arrow has and Python has not."""
    places = ((row, name) for row in range(batch.num_rows) for name in batch.schema.names)
    return next(
        ((row, name) for row, name in places if _is_no_value(batch.column(name)[row])), None
    )


def _is_no_value(value: pa.Scalar) -> bool:
    try:
        value.as_py()
    except _NO_VALUE:
        return True
    return False


@contextmanager
def _naming_damage(path: Path, what: str) -> Iterator[None]:
    """Whatever Arrow says of a file becomes an error that names it."""
    try:
        yield
    except UserError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: text that is not UTF-8
        raise_out_of_memory(error)
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"cannot read: {why_refused(error, path)}.") from error
        raise UserError(
            f"damaged file: {path}: {one_line(error)}. Expected an undamaged {what} file. "
            "Copy or download it again."
        ) from error
