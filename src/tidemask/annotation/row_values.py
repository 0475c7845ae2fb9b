"""The values of documents put into the rows of a split, checked, and written as rows are full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.corpus_documents import DocumentBlock
from tidemask.annotation.source import SourceError
from tidemask.corpus.store.column_files import ColumnWriter
from tidemask.corpus.store.pieces import token_places
from tidemask.token_classes import COLUMN_FORMS, NO_CLASS, NO_GROUP, TokenColumn

_INT32 = np.iinfo(np.int32)


class RowValues:
    """Takes the values of documents block by block, in order."""

    def __init__(
        self, column: TokenColumn, writer: ColumnWriter, sequence_length: int, where: str
    ) -> None:
        """Write full rows to `writer`; a message calls the rows those of `where`."""
        self._column, self._writer, self._where = column, writer, where
        self._length = sequence_length
        self._none = COLUMN_FORMS[column.kind][1]
        # Ids of groups mean something within a document: here they are numbered through.
        self._dtype = np.dtype(np.int64 if column.kind == "group" else COLUMN_FORMS[column.kind][0])
        self._next_row = writer.first_row
        self._num_groups = 0
        self._open = np.empty((0, sequence_length), self._dtype)
        self._open_cuts = np.empty((0, 2), np.int64)

    def add(self, block: DocumentBlock, values: Sequence[NDArray[Any]]) -> None:
        """Add the values of the documents of the next block.

        Raises:
            SourceError: they are of another shape or type, or wrong; with the place named.
        """
        flat = self._checked(block, values)
        first = min(self._next_row, int(block.pieces.row[0]))
        rows = np.full((block.last_row + 1 - first, self._length), self._none, self._dtype)
        rows[self._next_row - first :][: len(self._open)] = self._open
        places = token_places(block.pieces, first, self._length)
        rows.reshape(-1)[places] = flat
        cuts = np.zeros((len(rows), 2), np.int64)
        if self._column.kind == "group":
            cuts = cuts_of_groups(flat, places // self._length, len(rows))
        rows, cuts = rows[self._next_row - first :], cuts[self._next_row - first :]
        cuts[: len(self._open_cuts)] += self._open_cuts
        self._writer.add(self._stored(rows[:-1]), cuts[:-1])
        self._next_row += len(rows) - 1
        self._open, self._open_cuts = rows[-1:], cuts[-1:]

    def finish(self) -> None:
        """Write the rest."""
        self._writer.add(self._stored(self._open), self._open_cuts)
        self._writer.finish()

    def _stored(self, rows: NDArray[Any]) -> NDArray[Any]:
        return numbered_in_rows(rows) if self._column.kind == "group" else rows

    def _checked(self, block: DocumentBlock, values: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The values of all documents of a block, one after another."""
        if len(values) != len(block.documents):
            raise SourceError(
                f"wrong values: the source gave those of {len(values)} of {len(block.documents)} "
                f"documents for the column {self._column.name}. Expected an array for each."
            )
        arrays = [np.asarray(of_document) for of_document in values]
        for document, array in zip(block.documents, arrays, strict=True):
            if array.shape != (len(document),):
                raise SourceError(
                    f"wrong values: the source gave an array of shape {array.shape} for document "
                    f"{document.number}, which has {len(document)} tokens. Expected one value for "
                    "each token."
                )
        flat = np.concatenate(arrays)
        self._check_values(block, flat)
        if self._column.kind != "group":
            return flat.astype(self._dtype)
        return self._numbered_through(arrays)

    def _check_values(self, block: DocumentBlock, flat: NDArray[Any]) -> None:
        """Refuse a value that the kind of the column does not have."""
        kind = self._column.kind
        if flat.dtype.kind not in ("biuf" if kind == "weight" else "iu"):
            what = "numbers" if kind == "weight" else "integers"
            raise SourceError(
                f"wrong values: the source gave {flat.dtype} for the column {self._column.name}. "
                f"Expected {what}, for it is of kind {kind}."
            )
        if kind == "weight":
            with np.errstate(over="ignore"):
                as_stored = flat.astype(np.float32)
            right, expected = np.isfinite(as_stored) & (flat >= 0), "a finite weight of at least 0"
        elif kind == "class":
            last = len(self._column.class_names) - 1
            right = ((flat >= 0) & (flat <= last)) | (flat == NO_CLASS)
            expected = f"a class from 0 to {last}, or {NO_CLASS} for none"
        else:
            right = (flat >= NO_GROUP) & (flat <= _INT32.max)
            expected = f"the id of a group, or {NO_GROUP} for none"
        if right.all():
            return
        wrong = int(np.flatnonzero(~right)[0])
        row, position = divmod(
            int(token_places(block.pieces, 0, self._length)[wrong]), self._length
        )
        raise SourceError(
            f"wrong value: {flat[wrong]} in the column {self._column.name}, row {row}, position "
            f"{position} of {self._where}. Expected {expected}."
        )

    def _numbered_through(self, arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        """Ids of groups that differ from those of all other documents."""
        numbered = []
        for array in arrays:
            ids = array.astype(np.int64)
            numbered.append(np.where(ids >= 0, ids + self._num_groups, ids))
            self._num_groups += int(ids.max(initial=NO_GROUP)) + 1
        return np.concatenate(numbered)


def cuts_of_groups(
    ids: NDArray[np.int64], rows: NDArray[np.int64], num_rows: int
) -> NDArray[np.int64]:
    """How many groups go on into each row from one before.

    Args:
        ids: group of each token, negative for none, each in one document.
        rows: in which each token is.
        num_rows: of those that are counted, from row 0.

    Returns:
        Of each row [num_rows, 2], the groups in it that earlier rows have a part of, and those
        among them of which a single earlier row has one: so each group that is cut counts once.

    Example:
        >>> import numpy as np
        >>> ids, rows = np.array([7, 7, 7, 7, 9, -1]), np.array([0, 1, 1, 2, 2, 2])
        >>> cuts_of_groups(ids, rows, 3).tolist()
        [[0, 0], [1, 1], [1, 0]]
    """
    order = np.argsort(ids, kind="stable")  # the tokens of a group stay in the order of their rows
    order = order[ids[order] >= 0]
    ids, rows = ids[order], rows[order]
    is_part = np.ones(len(ids), np.bool_)
    is_part[1:] = (np.diff(ids) != 0) | (np.diff(rows) != 0)
    ids, rows = ids[is_part], rows[is_part]
    continues = np.zeros(len(ids), np.bool_)
    continues[1:] = ids[1:] == ids[:-1]
    is_second = continues.copy()
    is_second[1:] &= ~continues[:-1]
    of_rows = [np.bincount(rows[each], minlength=num_rows) for each in (continues, is_second)]
    return np.stack(of_rows, 1).astype(np.int64)


def numbered_in_rows(rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """Ids of groups that count from 0 in each row, in the order in which the groups begin.

    Example:
        >>> import numpy as np
        >>> numbered_in_rows(np.array([[-1, 70, 70, 4], [4, -1, 9, 4]])).tolist()
        [[-1, 0, 0, 1], [0, -1, 1, 0]]
    """
    stored = np.full(rows.shape, NO_GROUP, np.int32)
    row, position = np.nonzero(rows >= 0)
    if not len(row):
        return stored
    ids = rows[row, position]
    # Each pair of a row and an id is a group; those of a row are numbered by their first token.
    order = np.lexsort((position, ids, row))
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(row[order]) != 0) | (np.diff(ids[order]) != 0)
    group = np.cumsum(is_first) - 1
    firsts = order[is_first]
    by_place = np.argsort(firsts)
    rank = np.empty(len(firsts), np.int64)
    rank[by_place] = np.arange(len(firsts))
    before = np.searchsorted(row[np.sort(firsts)], row[firsts])
    stored[row[order], position[order]] = (rank - before)[group]
    return stored
