"""The places of the words of a text, whoever found them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Words:
    """The words of one text, ascending, without overlap; they cover all but white space.

    Attributes:
        starts: offset of each word's first character, as Python indexes `str`, int32 [W].
        ends: offset after each word's last character, int32 [W].
    """

    starts: NDArray[np.int32]
    ends: NDArray[np.int32]

    @classmethod
    def of(cls, spans: Iterable[tuple[int, int]]) -> Words:
        """The words from pairs of start and end."""
        starts, ends = bounds_of(list(spans))
        return cls(starts, ends)


NO_TAG = "_"
"""Tag of a word without class."""


@dataclass(frozen=True)
class GivenWords(Words):
    """The words of one text with tags of any set, as its source has them.

    Attributes:
        tags: of each word, as many; `NO_TAG` for one without class.
    """

    tags: tuple[str, ...]

    def within(self, start: int, end: int) -> GivenWords:
        """The words of a part of the text, by their offsets in it; words across its ends are cut.

        Example:
            >>> part = GivenWords(*bounds_of([(0, 3), (4, 9)]), ("DET", "NOUN")).within(4, 7)
            >>> part.starts.tolist(), part.ends.tolist(), part.tags
            ([0], [3], ('NOUN',))
        """
        first = int(np.searchsorted(self.ends, start, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left"))
        starts = np.maximum(self.starts[first:last], start) - start
        ends = np.minimum(self.ends[first:last], end) - start
        return GivenWords(starts.astype(np.int32), ends.astype(np.int32), self.tags[first:last])


def bounds_of(spans: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Starts and ends of pairs, int32 [W] each."""
    flat = np.fromiter(chain.from_iterable(spans), np.int32, 2 * len(spans))
    starts, ends = flat.reshape(-1, 2).T.copy()
    return starts, ends
