"""Which entries of a list were found, kept beside the files of a column while it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemask.annotation.source import ColumnSource, ListSource
from tidemask.corpus.going_on import note_state, noted_state
from tidemask.files.continued import ContinuedDirectory

_STATE = "found"


class FoundEntries:
    """What was found of a list until now; nothing is kept for a source that lists nothing.

    Args:
        source: of the column.
        aside: where the column is written; what was found before an interruption is noted there.
    """

    def __init__(self, source: ColumnSource, aside: ContinuedDirectory) -> None:
        self._source = source if isinstance(source, ListSource) else None
        self._aside = aside
        number = 0 if self._source is None else self._source.num_entries
        noted = (noted_state(aside) or {}).get(_STATE)
        self._found: NDArray[Any] = np.zeros(number, np.bool_) if noted is None else noted

    def add(self, numbers: NDArray[np.int64]) -> None:
        """Add entries, and note them before the values that they are found by are in a file."""
        if not self._found[numbers].all():
            self._found[numbers] = True
            note_state(self._aside, {_STATE: self._found})

    @property
    def note(self) -> str | None:
        """What to say of the entries that were not found."""
        return None if self._source is None else self._source.note_on(self._found)
