"""Which documents of a stream are kept, and on which side of the held-out split they fall.

One pass decides and remembers one byte per document; later passes over the same stream follow it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from tidemask.corpus.sources.deduplication import NearDuplicateFilter
from tidemask.corpus.sources.documents import Document
from tidemask.errors import UserError

Documents = Callable[[], Iterable[Document]]
"""Gives the same documents, in the same order, each time it is called."""


class Side(IntEnum):
    """What becomes of a document."""

    EMPTY = 0
    DUPLICATE = 1
    TRAIN = 2
    HELD_OUT = 3


@dataclass(frozen=True)
class SplitPlan:
    """The side of every document, by its number in the stream."""

    sides: bytes

    def count(self, side: Side) -> int:
        """Number of documents on that side."""
        return self.sides.count(side)

    @property
    def num_kept(self) -> int:
        """Documents that are neither empty nor near-duplicates."""
        return self.count(Side.TRAIN) + self.count(Side.HELD_OUT)

    def kept(self, documents: Iterable[Document]) -> Iterator[tuple[str, Side]]:
        """Text and side of the kept documents, of the stream that was planned.

        Raises:
            UserError: the stream has more or fewer documents than it had.
        """
        num_seen = 0
        for document in documents:
            num_seen += 1
            if num_seen > len(self.sides):
                break
            side = Side(self.sides[num_seen - 1])
            if side in (Side.TRAIN, Side.HELD_OUT):
                yield document.text, side
        if num_seen != len(self.sides):
            more_or_fewer = "more" if num_seen > len(self.sides) else "fewer"
            raise UserError(
                f"text changed while it was read: {more_or_fewer} documents than the "
                f"{len(self.sides)} of the first pass. Expected the same each time. "
                "Leave the files alone meanwhile."
            )

    def check(self, held_out_share: float) -> None:
        """Check that no split that was asked for is empty.

        Raises:
            UserError: the training or the held-out split is empty.
        """
        what_to_do = "Give more documents (blank lines separate them), or another share."
        dropped = self.count(Side.DUPLICATE)
        besides = f" ({dropped} near-duplicates dropped)" if dropped else ""
        found = f"{self.num_kept} documents{besides} and held_out={held_out_share}"
        if not self.count(Side.TRAIN):
            raise UserError(
                f"training split is empty: {found}. Expected at least one document. {what_to_do}"
            )
        if held_out_share and not self.count(Side.HELD_OUT):
            raise UserError(
                f"held-out split is empty: {found}. Expected at least one document. {what_to_do}"
            )


def plan_split(documents: Iterable[Document], held_out_share: float) -> Iterator[tuple[str, Side]]:
    """Decide about each document as it comes by: its text and its side, in order.

    A document that says so itself is held out, or is not. Any other is held out if the SHA-256 of
    its text, as a number in [0, 1), is below the share: it stays on its side in any other corpus.
    """
    duplicates = NearDuplicateFilter()
    for document in documents:
        yield document.text, _side(document, held_out_share, duplicates)


def _side(document: Document, held_out_share: float, duplicates: NearDuplicateFilter) -> Side:
    if not document.text.strip():
        return Side.EMPTY
    if not duplicates.is_new(document.text):
        return Side.DUPLICATE
    is_held_out = document.held_out
    if is_held_out is None:
        digest = hashlib.sha256(document.text.encode()).digest()
        is_held_out = int.from_bytes(digest[:8], "big") < held_out_share * 2**64
    return Side.HELD_OUT if is_held_out else Side.TRAIN
