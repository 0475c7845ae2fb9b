"""The list of the documents that were dropped, each with its twin, as JSON Lines."""

from __future__ import annotations

import json
from typing import IO

import numpy as np

from tidemask.corpus.sources.documents import Document
from tidemask.corpus.splitting.plan import COPIES, KEPT, REASONS, Split, SplitPlan


class DroppedList:
    """Writes a line for each dropped document of a stream, which passes once.

    A line has the `source` and `place` of the document, the `reason`, and for copies
    `twin_source`, `twin_place` and `agreement` (the share of common shingles). Lines are in the
    order of the stream, but those of copies whose twin comes later are at the end. Remembered are
    20 bytes for each twin.
    """

    def __init__(self, file: IO[str], plan: SplitPlan) -> None:
        """Write to a file what a plan drops."""
        self._file, self._plan = file, plan
        self._twins = np.unique(plan.twins.kept)
        self._sources: list[str] = []
        self._number_of_source: dict[str, int] = {}
        self._twin_sources = np.full(len(self._twins), -1, np.int32)
        self._twin_places = np.zeros(len(self._twins), np.int64)
        self._waiting: list[tuple[int, Document, Split]] = []

    def add(self, number: int, document: Document, split: Split) -> None:
        """Take account of the next document of the stream, kept or dropped."""
        if split in KEPT:
            place = int(np.searchsorted(self._twins, number))
            if place < len(self._twins) and self._twins[place] == number:
                self._twin_sources[place] = self._numbered_source(document.source)
                self._twin_places[place] = document.place
        elif not self._written(number, document, split):
            self._waiting.append((number, document, split))

    def finish(self) -> None:
        """Write the lines of copies whose twin came later."""
        for waiting in self._waiting:
            is_written = self._written(*waiting)
            assert is_written, f"the twin of document {waiting[0]} never came"

    def _numbered_source(self, source: str) -> int:
        if source not in self._number_of_source:
            self._number_of_source[source] = len(self._sources)
            self._sources.append(source)
        return self._number_of_source[source]

    def _written(self, number: int, document: Document, split: Split) -> bool:
        """Whether the line could be written; not if its twin is still to come."""
        line: dict[str, str | int | float] = {}
        line |= {"source": document.source, "place": document.place, "reason": REASONS[split]}
        if split in COPIES:
            copy = int(np.searchsorted(self._plan.twins.copies, number))
            place = int(np.searchsorted(self._twins, self._plan.twins.kept[copy]))
            if self._twin_sources[place] < 0:
                return False
            line["twin_source"] = self._sources[self._twin_sources[place]]
            line["twin_place"] = int(self._twin_places[place])
            line["agreement"] = round(float(self._plan.twins.agreement[copy]), 3)
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        return True
