"""Groups of a column that have tokens of two documents, of which they would be one unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.pieces import Pieces, token_places

_ROWS_AT_ONCE = 1024
"""Rows that are looked at together, so that a file of them takes no more memory than its values."""


def first_crossing(values: NDArray[Any], pieces: Pieces, first_row: int) -> tuple[int, int] | None:
    """Row and position of the first token whose group began in another document of its row.

    Args:
        values: ids of groups in rows [n, L], less than L; negative for none.
        pieces: of these rows, in their order.
        first_row: number of the first of these rows in its split.
    """
    is_border = np.zeros(len(pieces), np.bool_)
    is_border[1:] = (np.diff(pieces.row) == 0) & (np.diff(pieces.document) != 0)
    # Rows of one document, which are most of those of long texts, are not looked at.
    rows = np.unique(pieces.row[is_border])
    of_rows = pieces[np.isin(pieces.row, rows)]
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        block = rows[begin : begin + _ROWS_AT_ONCE]
        low, high = np.searchsorted(of_rows.row, [block[0], block[-1] + 1])
        within = of_rows[int(low) : int(high)]
        within = replace(within, row=np.searchsorted(block, within.row))
        if place := _first_in_block(values[block - first_row], within):
            row, position = place
            return int(block[row]) - first_row, position
    return None


def _first_in_block(values: NDArray[Any], pieces: Pieces) -> tuple[int, int] | None:
    """The same of rows that all are looked at, counted from 0."""
    length = values.shape[1]
    places = token_places(pieces, 0, length)
    groups = values.reshape(-1)[places]
    is_in_group = groups >= 0
    places, groups = places[is_in_group], groups[is_in_group]
    documents = np.repeat(pieces.document, pieces.num_tokens)[is_in_group]
    groups = places // length * length + groups
    document_of = np.empty(values.size, np.int64)
    document_of[groups[::-1]] = documents[::-1]  # the first of a group is written last, and stays
    is_crossing = document_of[groups] != documents
    if not is_crossing.any():
        return None
    row, position = divmod(int(places[np.argmax(is_crossing)]), length)
    return row, position
