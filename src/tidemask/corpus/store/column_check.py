"""Whether the values of a column are those that were written, and such as its kind has.

A column that something else than `annotate` wrote may agree with its fingerprint and still have
values that mean nothing. Masking looks at those of a batch on a CPU; on a GPU, where looking would
wait for the device, they would count as 0 or as none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.column_files import values_hash, values_in
from tidemask.corpus.store.columns import COLUMN_ADVICE, ColumnManifest, ColumnRows, StoredColumn
from tidemask.corpus.store.corpus import HELD_OUT, TRAIN, PreparedCorpus
from tidemask.corpus.store.crossing_groups import first_crossing
from tidemask.corpus.store.pieces import Pieces
from tidemask.corpus.store.split import CorpusSplit
from tidemask.errors import UserError
from tidemask.token_classes import NO_CLASS


def verify_column(column: StoredColumn, corpus: PreparedCorpus) -> None:
    """Read all values, compare them with the fingerprint, and look for one that is wrong.

    Args:
        column: an opened one.
        corpus: that it belongs to. One of an earlier version does not say where documents begin:
            there, groups across them are not seen.

    Raises:
        UserError: they are not what was written; or one is wrong, or of a group with tokens of two
            documents, and its row and position are named.
    """
    manifest = column.manifest
    splits: dict[str, ColumnRows] = {TRAIN: column.train, HELD_OUT: column.held_out}
    problems: list[str] = []

    def looked_at(split: str, rows: ColumnRows) -> Iterator[NDArray[Any]]:
        first_row = 0
        all_pieces = _pieces(corpus, split, rows, manifest)
        for values, pieces in zip(values_in(rows.notes), all_pieces, strict=True):
            if not problems and (found := _problem(values, manifest, pieces, first_row)):
                (row, position), expected = found
                problems.append(
                    f"wrong value: {values[row, position]} in the column {column.root}, row "
                    f"{first_row + row}, position {position} of the {split} split. Expected "
                    f"{expected}. {COLUMN_ADVICE}"
                )
            first_row += len(values)
            yield values

    hashes = {split: values_hash(looked_at(split, rows)) for split, rows in splits.items()}
    if manifest.with_fingerprint(hashes).fingerprint != manifest.fingerprint:
        raise UserError(
            f"column changed: the values in {column.root} are not those that its manifest was "
            f"written for. {COLUMN_ADVICE}"
        )
    for problem in problems:
        raise UserError(problem)


def _pieces(
    corpus: PreparedCorpus, split: str, rows: ColumnRows, manifest: ColumnManifest
) -> Iterable[Pieces | None]:
    """The pieces of the rows of each file of a split, where groups are compared with them."""
    if manifest.kind == "group" and corpus.has_documents:
        of_split: CorpusSplit = getattr(corpus, split)
        return of_split.pieces.of_stretches(rows.file_rows)
    return [None] * len(rows.file_rows)


def _problem(
    values: NDArray[Any], manifest: ColumnManifest, pieces: Pieces | None, first_row: int
) -> tuple[tuple[int, int], str] | None:
    """Row and position of the first wrong value of a file [n, L], and what was expected there."""
    if place := _first_wrong(values, manifest):
        return place, _expected(values, manifest)
    if pieces is not None and (place := first_crossing(values, pieces, first_row)):
        return place, (
            "groups within one document each, and the row has tokens of that group in a document "
            "before"
        )
    return None


def _first_wrong(values: NDArray[Any], manifest: ColumnManifest) -> tuple[int, int] | None:
    """Row and position of the first value [n, L] that the kind does not have, or none."""
    if manifest.kind == "weight":
        # A NaN is the smallest of its array, and not at least 0: most arrays are looked at twice.
        with np.errstate(invalid="ignore"):
            if values.min(initial=0.0) >= 0.0 and values.max(initial=0.0) < math.inf:
                return None
            wrong = ~((values >= 0.0) & (values < math.inf))
    elif manifest.kind == "class":
        wrong = (values >= len(manifest.class_names)) & (values != NO_CLASS)
    else:
        wrong = values >= values.shape[1]
    if not wrong.any():
        return None
    row, position = np.argwhere(wrong)[0].tolist()
    return row, position


def _expected(values: NDArray[Any], manifest: ColumnManifest) -> str:
    if manifest.kind == "weight":
        return "a finite weight of at least 0"
    if manifest.kind == "class":
        return f"a class from 0 to {len(manifest.class_names) - 1}, or {NO_CLASS} for none"
    return (
        f"the id of a group from 0 to {values.shape[1] - 1}, as a row has no more groups than "
        "tokens, or a negative number for none"
    )
