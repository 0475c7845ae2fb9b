"""Groups across documents in random rows, against a loop over the tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemask.corpus.store import crossing_groups
from tidemask.corpus.store.crossing_groups import first_crossing
from tidemask.corpus.store.pieces import Pieces


def random_pieces(
    random: np.random.Generator, first_row: int, num_rows: int, length: int
) -> Pieces:
    """Documents that end within rows, with and without a token between them."""
    found, document = [], 0
    for row in range(first_row, first_row + num_rows):
        position = int(random.integers(0, min(2, length)))
        while position < length:
            size = int(random.integers(1, length + 1))
            found.append((row, position, min(size, length - position), document))
            position += size + int(random.integers(0, 2))
            document += position < length or bool(random.integers(0, 2))
    row, position, num_tokens, document_of = np.array(found, np.int64).T
    return Pieces(row, position, num_tokens, document_of, 0 * row, 0 * row)


def slow_first_crossing(
    values: NDArray[Any], pieces: Pieces, first_row: int
) -> tuple[int, int] | None:
    document_of_group: dict[tuple[int, int], int] = {}
    for row, first, size, document in zip(
        pieces.row.tolist(), pieces.position.tolist(), pieces.num_tokens.tolist(),
        pieces.document.tolist(), strict=True,
    ):  # fmt: skip
        for position in range(first, first + size):
            group = int(values[row - first_row, position])
            if group >= 0 and document_of_group.setdefault((row, group), document) != document:
                return row - first_row, position
    return None


@pytest.mark.parametrize("length", [1, 2, 7, 16])
@pytest.mark.parametrize("rows_at_once", [2, 1000])
def test_first_crossing_is_that_of_a_loop_over_the_tokens(
    monkeypatch: pytest.MonkeyPatch, rows_at_once: int, length: int
) -> None:
    monkeypatch.setattr(crossing_groups, "_ROWS_AT_ONCE", rows_at_once)
    random = np.random.default_rng(length)
    num_found = 0
    for first_row in [0, 5] * 100:
        pieces = random_pieces(random, first_row, int(random.integers(1, 6)), length)
        num_rows = int(pieces.row[-1]) - first_row + 1
        share = random.choice([0.1, 0.9])
        values = random.integers(0, length, (num_rows, length)).astype(np.int32)
        values[random.random(values.shape) > share] = -1
        expected = slow_first_crossing(values, pieces, first_row)
        assert first_crossing(values, pieces, first_row) == expected
        num_found += expected is not None
    assert (num_found == 0) if length == 1 else (20 < num_found < 180)
