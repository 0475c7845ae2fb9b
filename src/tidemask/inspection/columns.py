"""The columns of a corpus in numbers: what they cover, their classes, weights and groups."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.column_check import verify_column
from tidemask.corpus.store.column_files import values_in
from tidemask.corpus.store.columns import (
    ColumnManifest,
    StoredColumn,
    column_names,
    open_column,
)
from tidemask.corpus.store.corpus import PreparedCorpus

_LOW_BITS = 16
_NUM_BINS = 1 << (32 - _LOW_BITS)


@dataclass
class WeightCounts:
    """Weights above 0 in bins of at most 1 % of their value, so that any number takes 0.8 MB.

    Positive floating-point numbers are in the order of their bits; a bin is the upper 16 of 32.

    Attributes:
        counts: weights in each bin, int64 [65536].
        largest: of each bin, float32 [65536].

    Example:
        >>> import numpy as np
        >>> counts = WeightCounts()
        >>> counts.add(np.array([0, 0, 0.5, 1, 2], np.float32))
        >>> counts.quantile(0.5), counts.quantile(1.0)
        (1.0, 2.0)
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_NUM_BINS, np.int64))
    largest: NDArray[np.float32] = field(default_factory=lambda: np.zeros(_NUM_BINS, np.float32))

    def add(self, weights: NDArray[np.float32]) -> None:
        """Count weights of any shape; those of 0 are left out."""
        above = np.ascontiguousarray(weights[weights > 0], np.float32)
        bins = above.view(np.uint32) >> _LOW_BITS
        self.counts += np.bincount(bins, minlength=_NUM_BINS)
        np.maximum.at(self.largest, bins, above)

    def quantile(self, share: float) -> float:
        """A weight, at most 1 % above the least one with so large a share at or below it."""
        reached = np.cumsum(self.counts)
        wanted = max(1, int(np.ceil(share * reached[-1])))
        return float(self.largest[np.searchsorted(reached, wanted)])


@dataclass(frozen=True)
class ColumnCounts:
    """One column in numbers.

    Attributes:
        manifest: what the column says of itself.
        weights: those of a column of weights; `None` of others.
    """

    manifest: ColumnManifest
    weights: WeightCounts | None

    @property
    def num_tokens(self) -> int:
        """Tokens that it says something of, in both splits."""
        return sum(self.manifest.num_tokens.values())


def count_columns(corpus: PreparedCorpus) -> list[ColumnCounts]:
    """All columns of a corpus, in the order of their names.

    Raises:
        UserError: one is damaged, or of another corpus.
    """
    return [_counted(open_column(corpus, name), corpus) for name in column_names(corpus)]


def _counted(column: StoredColumn, corpus: PreparedCorpus) -> ColumnCounts:
    verify_column(column, corpus)
    if column.manifest.kind != "weight":
        return ColumnCounts(column.manifest, None)
    weights = WeightCounts()
    for values in _all_values(column):
        weights.add(values)
    return ColumnCounts(column.manifest, weights)


def _all_values(column: StoredColumn) -> Iterable[NDArray[Any]]:
    return values_in([*column.train.notes, *column.held_out.notes])
