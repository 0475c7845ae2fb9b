"""The rows of a file of spans, Parquet or JSON Lines, as columns of one length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet
from pydantic import Field

from tidemask.errors import UserError, one_line
from tidemask.files.paths import check_plain_file
from tidemask.reading import ANY_LENGTH, parse_json
from tidemask.reading.compression import COMPRESSED, is_compressed, without_compression
from tidemask.reading.text import read_text
from tidemask.system_errors import raise_out_of_memory
from tidemask.token_classes import ColumnKind

_Count = Annotated[int, Field(ge=0, lt=1 << 53)]


@dataclass(frozen=True, kw_only=True)
class _SpanLine:
    """A line of JSON; which fields it needs depends on the kind and on what other lines have."""

    document: _Count | None = None
    source: str | None = None
    place: _Count | None = None
    begin: _Count | None = None
    end: _Count | None = None


@dataclass(frozen=True, kw_only=True)
class _ClassLine(_SpanLine):
    value: str | int | None = None


@dataclass(frozen=True, kw_only=True)
class _WeightLine(_SpanLine):
    value: float | None = None


_LINES: dict[ColumnKind, type[_SpanLine]] = {
    "class": _ClassLine,
    "weight": _WeightLine,
    "group": _SpanLine,
}


def read_spans(path: Path, kind: ColumnKind) -> dict[str, list[Any]]:
    """The columns of a file that are read, as lists of one length, by name.

    They are `document`, or `place` and perhaps `source`; `begin` and `end`; and `value`, a number
    or the name of a class, unless the kind is `group`.

    Args:
        path: of the file; JSON Lines may be compressed.
        kind: of the column that is made of it.

    Raises:
        UserError: it cannot be read, has no row, lacks a column, or a value is of another type.
    """
    is_parquet = without_compression(path.name).endswith(".parquet")
    table = _parquet(path) if is_parquet else _json_lines(path, kind)
    by = "document" if "document" in table.column_names else "place"
    needed = {by: pa.int64(), "begin": pa.int64(), "end": pa.int64()}
    if kind != "group":
        needed["value"] = pa.float64() if kind == "weight" else pa.string()
    if by == "place" and "source" in table.column_names:
        needed["source"] = pa.string()
    columns = {}
    for name, type_ in needed.items():
        if name not in table.column_names:
            raise UserError(
                f"no field {name} in {path}. Expected {', '.join(needed)}; it has "
                f"{', '.join(table.column_names) or 'none'}."
            )
        try:
            column = table.column(name).cast(type_)
        except pa.ArrowException as error:
            raise UserError(
                f"wrong field in {path}: {name} is {table.column(name).type}. Expected {type_}."
            ) from error
        if column.null_count:
            row = column.is_null().to_pylist().index(True)
            raise UserError(f"no {name} in row {row + 1} of {path}. Expected one for each span.")
        columns[name] = column.to_pylist()
    return columns


def _parquet(path: Path) -> pa.Table:
    if not path.exists():
        raise UserError(f"no such file: {path}.")
    check_plain_file(path)
    if is_compressed(path):
        raise UserError(
            f"unreadable spans: {path} is compressed Parquet. Expected Parquet (.parquet), which "
            f"is compressed within itself, or JSON Lines, also with {', '.join(COMPRESSED)}. "
            "Decompress it."
        )
    try:
        table = pa.parquet.read_table(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise_out_of_memory(error)
        raise UserError(
            f"unreadable spans: {path}: {one_line(error)}. Expected Parquet (.parquet) or JSON "
            "Lines with a span on each line."
        ) from error
    if not table.num_rows:
        raise _no_spans(path)
    return table


def _no_spans(path: Path) -> UserError:
    return UserError(f"no spans: {path} is empty. Expected a span in each row.")


def _json_lines(path: Path, kind: ColumnKind) -> pa.Table:
    """The spans of a file; pyarrow's own reader ends the process where a line is `null`."""
    content = read_text(path, ANY_LENGTH, "unreadable spans")
    advice = "Name JSON Lines with a span on each line, or Parquet (.parquet)."
    rows = [
        vars(parse_json(line, _LINES[kind], f"spans: {path}, line {number}", advice=advice))
        for number, line in enumerate(content.split("\n"), start=1)
        if line.strip()
    ]
    if not rows:
        raise _no_spans(path)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    if kind == "class":
        columns["value"] = [value if value is None else str(value) for value in columns["value"]]
    return pa.table({name: those for name, those in columns.items() if set(those) - {None}})
