"""A Parquet or JSON Lines file of spans as a source: documents, characters, and values.

Each row names a document by `place` (and by `source`, where the corpus has several), as
`tidemask inspect` shows them, or by `document`, its number in the corpus' table of documents; a
stretch of its text by `begin` and `end`, in characters; and its `value`: the name of a class, or
a weight.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray
from pydantic import Field

from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.annotation.spans import TextSpan, span_values
from tidemask.errors import UserError, one_line
from tidemask.files.paths import check_plain_file, given_path
from tidemask.reading import ANY_LENGTH, parse_json, read_bytes
from tidemask.reading.text import read_text
from tidemask.system_errors import raise_out_of_memory
from tidemask.token_classes import MAX_WEIGHT, NO_CLASS, ColumnKind

_Key = int | tuple[str, int]
"""Of a document: its number, or its source and place; the source is empty where none is given."""


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


@dataclass(frozen=True)
class SpanFile:
    """The spans of a file, by document.

    Attributes:
        name: as it was asked for, `file:PATH`.
        kind: what the column holds.
        class_names: values of the file, in the order of the alphabet.
        fingerprint: of the file.
        spans: of each document, in the order of the file.
    """

    name: str
    kind: ColumnKind
    class_names: tuple[str, ...]
    fingerprint: str
    spans: dict[_Key, list[TextSpan]]
    reads_texts: bool = True
    max_workers: int | None = None

    @classmethod
    def of(cls, request: SourceRequest) -> SpanFile:
        """The spans in the file that is the argument.

        Raises:
            UserError: it cannot be read, lacks a column, a value is not of the kind, or it names a
                document that the corpus does not have.
        """
        kind = request.kind_among("class", "weight", "group")
        path = given_path(request.argument, "source")
        columns = _columns(path, kind)
        class_names, values = _values(path, columns.get("value", []), kind)
        keys = _keys(columns)
        _check_documents(request, path, keys)
        spans: dict[_Key, list[TextSpan]] = {}
        numbers = values or [0.0] * len(keys)
        for key, begin, end, value in zip(
            keys, columns["begin"], columns["end"], numbers, strict=True
        ):
            spans.setdefault(key, []).append(TextSpan(begin, end, value))
        digest = hashlib.sha256(read_bytes(path, ANY_LENGTH, "unreadable spans")).hexdigest()
        return cls(request.name, kind, class_names, f"file {kind} {digest}", spans)

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The values of the spans of each document.

        Raises:
            UserError: a span reaches beyond its document.
        """
        return [
            span_values(document, self._spans_of(document), self.kind, self.name)
            for document in documents
        ]

    def _spans_of(self, document: DocumentTokens) -> list[TextSpan]:
        keys: tuple[_Key, ...] = (
            document.number,
            (document.source, document.place),
            ("", document.place),
        )
        return next((self.spans[key] for key in keys if key in self.spans), [])


def _columns(path: Path, kind: ColumnKind) -> dict[str, list[Any]]:
    """The columns of a file that are read, as lists."""
    table = _parquet(path) if path.suffix == ".parquet" else _json_lines(path, kind)
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


def _values(
    path: Path, values: Sequence[Any], kind: ColumnKind
) -> tuple[tuple[str, ...], list[float]]:
    """Names of classes, and the value of each span; none for groups."""
    if kind == "weight":
        right = (np.array(values) >= 0) & (np.array(values) <= MAX_WEIGHT)
        if not right.all():
            row = int(np.flatnonzero(~right)[0])
            raise UserError(
                f"wrong weight: value={values[row]:g} in row {row + 1} of {path}. Expected a "
                f"number from 0 to {MAX_WEIGHT:g}."
            )
        return (), list(values)
    names = tuple(sorted(set(values)))
    if len(names) > NO_CLASS:
        raise UserError(
            f"too many classes: {path} has {len(names)} different values. Expected {NO_CLASS} at "
            "most, as a class is one of so many."
        )
    index = {name: float(number) for number, name in enumerate(names)}
    return names, [index[value] for value in values]


def _keys(columns: dict[str, list[Any]]) -> list[_Key]:
    if "document" in columns:
        return columns["document"]
    sources = columns.get("source", [""] * len(columns["place"]))
    return list(zip(sources, columns["place"], strict=True))


def _check_documents(request: SourceRequest, path: Path, keys: Sequence[_Key]) -> None:
    """Refuse a document that the corpus does not have, and a place where it has several sources."""
    table = request.corpus.documents.table().select(["source", "place"]).to_pydict()
    places = list(zip(table["source"], table["place"], strict=True))
    known: set[_Key] = {*range(len(places)), *places}
    sources = set(table["source"])
    if len(sources) == 1:
        known |= {("", place) for _, place in places}
    for row, key in enumerate(keys, start=1):
        if key not in known:
            named = _named(key, len(sources))
            raise UserError(
                f"no such document: row {row} of {path} names {named}. Expected one that the "
                "corpus has, by source and place as `tidemask inspect CORPUS --text ROW` shows "
                "them, or by its number."
            )


def _named(key: _Key, num_sources: int) -> str:
    """A document as a row of the file names it."""
    if isinstance(key, int):
        return f"document={key}"
    source, place = key
    if source:
        return f"source={source}, place={place}"
    without = f" without a source, and the corpus has {num_sources}" if num_sources > 1 else ""
    return f"place={place}{without}"
