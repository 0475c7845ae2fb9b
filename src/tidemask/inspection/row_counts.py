"""What the rows of a split hold, counted in one pass: vocabulary entries, classes, word lengths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.rows import Rows
from tidemask.corpus.store.split import CorpusSplit
from tidemask.progress import ProgressCallback

COUNTING = "counting rows"
"""Name of this stage for the progress callback, which counts rows."""

LONGEST = 6
"""Words of at least so many tokens are counted together."""

_ROWS_AT_ONCE = 4096
_NUM_CLASSES = 256


@dataclass(frozen=True)
class RowCounts:
    """Counts over rows; special tokens around texts and padding are left out.

    Attributes:
        entries: occurrences of each vocabulary id, int64 [vocabulary].
        lengths: words of 1, 2, ... tokens, the last of `LONGEST` or more, int64 [`LONGEST`]. A word
            that two rows share counts as two.
        class_words: words by the index of their class, int64 [256]; `NO_CLASS` for none.
        class_tokens: tokens likewise.
    """

    entries: NDArray[np.int64]
    lengths: NDArray[np.int64]
    class_words: NDArray[np.int64]
    class_tokens: NDArray[np.int64]

    @classmethod
    def none(cls, vocab_size: int) -> RowCounts:
        """Of no rows."""
        sizes = (vocab_size, LONGEST, _NUM_CLASSES, _NUM_CLASSES)
        return cls(*(np.zeros(size, np.int64) for size in sizes))

    @classmethod
    def of(cls, rows: Rows, special_ids: Iterable[int], vocab_size: int) -> RowCounts:
        """Of some rows.

        Args:
            rows: the rows.
            special_ids: ids of the tokens that stand around texts, and of padding.
            vocab_size: one more than the largest id.
        """
        is_text = ~np.isin(rows.input_ids, list(special_ids))
        classes = rows.token_class[is_text]
        starts = np.flatnonzero(rows.word_start[is_text])
        lengths = np.diff(starts, append=len(classes))
        return cls(
            np.bincount(rows.input_ids[is_text], minlength=vocab_size),
            np.bincount(np.minimum(lengths, LONGEST), minlength=LONGEST + 1)[1:],
            np.bincount(classes[starts], minlength=_NUM_CLASSES),
            np.bincount(classes, minlength=_NUM_CLASSES),
        )

    def __add__(self, other: RowCounts) -> RowCounts:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return RowCounts(*(one + two for one, two in pairs))

    @property
    def num_tokens(self) -> int:
        """Tokens of text."""
        return int(self.entries.sum())

    @property
    def num_words(self) -> int:
        """Words, each piece of one that rows cut by itself."""
        return int(self.lengths.sum())


def count_rows(
    split: CorpusSplit, special_ids: Iterable[int], vocab_size: int, on_progress: ProgressCallback
) -> RowCounts:
    """The counts of all rows of a split, some thousand at a time."""
    special, counts = list(special_ids), RowCounts.none(vocab_size)
    for begin in range(0, len(split), _ROWS_AT_ONCE):
        rows = split.rows(np.arange(begin, min(begin + _ROWS_AT_ONCE, len(split))))
        counts += RowCounts.of(rows, special, vocab_size)
        on_progress(COUNTING, min(begin + _ROWS_AT_ONCE, len(split)), len(split))
    return counts
