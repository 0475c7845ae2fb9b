"""A Parquet or JSON Lines file of spans as a source: documents, characters, and values.

Each row names a document by `place` (and by `source`, where the corpus has several), as
`tidemask inspect` shows them, or by `document`, its number in the corpus' table of documents; a
stretch of its text by `begin` and `end`, in characters; and its `value`: the name of a class, or
a weight.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.source import DocumentTokens, SourceRequest
from tidemask.annotation.span_table import read_spans
from tidemask.annotation.spans import TextSpan, span_values
from tidemask.corpus.store.corpus import HELD_OUT
from tidemask.errors import UserError
from tidemask.files.paths import given_path
from tidemask.reading import ANY_LENGTH, read_bytes
from tidemask.token_classes import MAX_WEIGHT, NO_CLASS, ColumnKind

_Key = int | tuple[str, int]
"""Of a document: its number, or its source and place; the source is empty where none is given."""


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
        columns = read_spans(path, kind)
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
    """Refuse a document that the corpus does not have, and a place where it has several."""
    table = request.corpus.documents.table().select(["source", "place", "split"]).to_pydict()
    places = list(zip(table["source"], table["place"], strict=True))
    known: set[_Key] = {*range(len(places)), *places}
    sources = set(table["source"])
    # A text to train on may stand there several times; one that has a held-out part was cut.
    number = Counter(places)
    rows = zip(places, table["split"], strict=True)
    cut = {place for place, split in rows if split == HELD_OUT and number[place] > 1}
    is_cut: set[_Key] = {*cut}
    if len(sources) == 1:
        known |= {("", place) for _, place in places}
        is_cut |= {("", place) for _, place in cut}
    for row, key in enumerate(keys, start=1):
        if key not in known:
            named = _named(key, len(sources))
            raise UserError(
                f"no such document: row {row} of {path} names {named}. Expected one that the "
                "corpus has, by source and place as `tidemask inspect CORPUS --text ROW` shows "
                "them, or by its number."
            )
        if key in is_cut:
            raise UserError(
                f"several documents: row {row} of {path} names {_named(key, len(sources))}, which "
                "was cut into passages, each a document of the corpus. Name one of them by "
                "`document`, its number in the corpus' table of documents."
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
