"""The documents of a corpus: where each comes from, its split, its size, and its kept fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tidemask.corpus.sources.documents import Document, FieldValue
from tidemask.corpus.splitting.field_types import FieldTypes, fitted_field
from tidemask.corpus.store.tables import TableFiles, TableWriter, whole_table

_BATCH = 1024
"""Documents that are converted to Arrow together."""

_ARROW_TYPES = {
    "integer": pa.int64(),
    "large integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
}


@dataclass(frozen=True)
class DocumentRecord:
    """One document of a corpus, without its text.

    Attributes:
        number: in the table of documents, from 0; pieces name it by that.
        source: the file or package that it comes from.
        place: where in its source it begins, from 1: its line for text and JSON Lines, its row for
            tables; 0 where that is unknown.
        split: "train" or "held_out".
        num_tokens: its tokens.
        num_words: its words, by the rule of the corpus.
        fields: what its record says beside the text; only those that were kept.
    """

    number: int
    source: str
    place: int
    split: str
    num_tokens: int
    num_words: int
    fields: Mapping[str, FieldValue]


class DocumentsWriter:
    """Writes the table of documents; their numbers count from 0 in the order in which they come."""

    def __init__(self, directory: Path, field_types: FieldTypes) -> None:
        """Write into a directory, which is made.

        Args:
            directory: of the table.
            field_types: of the fields that are kept.
        """
        self._field_types = field_types
        schema = _schema(field_types)
        self._table = TableWriter(directory, schema)
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}

    @property
    def num_files(self) -> int:
        """Files that are written."""
        return self._table.num_files

    def add(self, document: Document, split: str, *, num_tokens: int, num_words: int) -> None:
        """Add the next document."""
        values = (document.source, document.place, split, num_tokens, num_words)
        for column, value in zip(self._columns.values(), values, strict=False):
            column.append(value)
        if self._field_types:
            kept = document.fields
            self._columns["fields"].append(
                {name: fitted_field(kept.get(name), k) for name, k in self._field_types.items()}
            )
        if len(self._columns["source"]) >= _BATCH:
            self._convert()

    def go_on_after(self, num_files: int) -> None:
        """Write after as many files that are there already; others are removed."""
        self._table.go_on_after(num_files)

    def flush(self) -> None:
        """Write what waits to a file."""
        self._convert()
        self._table.flush()

    def finish(self) -> None:
        """Write the rest, and give the files their last names."""
        self._convert()
        self._table.finish()

    def _convert(self) -> None:
        self._table.add(self._columns)
        self._columns = {name: [] for name in self._columns}


@dataclass(frozen=True)
class DocumentTable:
    """The documents of a corpus by number.

    Example:
        >>> from tidemask import open_corpus
        >>> documents = open_corpus("corpus").documents
        >>> documents[0].split, documents.table().num_rows == len(documents)
        ('held_out', True)
    """

    files: TableFiles

    @classmethod
    def open(cls, directory: Path) -> DocumentTable:
        """The table in a directory.

        Raises:
            UserError: there is none, or it is incomplete.
        """
        return cls(TableFiles.find(directory, _schema({}).names))

    def __len__(self) -> int:
        return sum(self.files.read(index).num_rows for index in range(len(self.files.paths)))

    def __getitem__(self, number: int | np.integer[Any]) -> DocumentRecord:
        """The document of a number.

        Raises:
            IndexError: there is none.
            UserError: a file of the table is missing or damaged.
        """
        before = 0
        for index in range(len(self.files.paths)):
            table = self.files.read(index)
            if 0 <= number - before < table.num_rows:
                (row,) = table.slice(int(number) - before, 1).to_pylist()
                fields = row.pop("fields", None) or {}
                return DocumentRecord(number=int(number), fields=fields, **row)
            before += table.num_rows
        raise IndexError(f"no such document: {number}. Expected a number from 0 to {before - 1}.")

    def table(self) -> pa.Table:
        """All of it in memory."""
        return whole_table(self.files)


def _schema(field_types: FieldTypes) -> pa.Schema:
    columns = [
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("place", pa.uint64()),
        ("split", pa.dictionary(pa.int32(), pa.string())),
        ("num_tokens", pa.uint32()),
        ("num_words", pa.uint32()),
    ]
    if field_types:
        kept = [(name, _ARROW_TYPES[kind]) for name, kind in field_types.items()]
        columns.append(("fields", pa.struct(kept)))
    return pa.schema(columns)
