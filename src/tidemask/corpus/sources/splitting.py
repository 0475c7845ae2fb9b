"""The split of every document of a stream, or why it is dropped.

One pass decides and keeps one byte per document; later passes over the same stream follow it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from tidemask.corpus.sources.deduplication import NearDuplicateFilter
from tidemask.corpus.sources.documents import Document
from tidemask.errors import UserError
from tidemask.files.paths import CONVERT_TEXT, check_utf8

Documents = Callable[[], Iterable[Document]]
"""Yields the same documents, in the same order, each time it is called."""


class Split(IntEnum):
    """The split that a document is in, or the reason why it is in none."""

    EMPTY = 0
    DUPLICATE = 1
    TRAIN = 2
    HELD_OUT = 3


@dataclass(frozen=True)
class SplitPlan:
    """The split of every document, by its index in the stream; one byte each."""

    splits: bytes

    def count(self, split: Split) -> int:
        """Number of documents in that split, or dropped for that reason."""
        return self.splits.count(split)

    @property
    def num_kept(self) -> int:
        """Documents that are neither empty nor near-duplicates."""
        return self.count(Split.TRAIN) + self.count(Split.HELD_OUT)

    def kept(self, documents: Iterable[Document]) -> Iterator[tuple[str, Split]]:
        """Text and split of the kept documents of the stream that was planned.

        Raises:
            UserError: the stream has more or fewer documents than it had.
        """
        num_seen = 0
        for document in documents:
            num_seen += 1
            if num_seen > len(self.splits):
                break
            split = Split(self.splits[num_seen - 1])
            if split in (Split.TRAIN, Split.HELD_OUT):
                yield document.text, split
        if num_seen != len(self.splits):
            more_or_fewer = "more" if num_seen > len(self.splits) else "fewer"
            raise UserError(
                f"text changed while it was read: {more_or_fewer} documents than the "
                f"{len(self.splits)} of the first pass. Expected the same each time. "
                "Leave the files alone meanwhile."
            )

    def check(self, held_out_share: float) -> None:
        """Check that the training split is not empty, nor the held-out split if its share is not 0.

        Raises:
            UserError: one is empty.
        """
        dropped, kept = self.count(Split.DUPLICATE), self.num_kept
        besides = f" ({_counted(dropped, 'near-duplicate')} dropped)" if dropped else ""
        splits = [("training", Split.TRAIN), ("held-out", Split.HELD_OUT)]
        for name, split in splits if held_out_share else splits[:1]:
            if not self.count(split):
                without = ", or set held_out=0 (--held-out 0)" if split == Split.HELD_OUT else ""
                raise UserError(
                    f"{name} split is empty: {_counted(kept, 'document')}{besides} and "
                    f"held_out={held_out_share}. Expected at least one document. "
                    "Give more documents (blank lines separate them), or one of a hundred words "
                    f"or more, which is cut into passages{without}."
                )


def plan_split(documents: Iterable[Document], held_out_share: float) -> Iterator[tuple[str, Split]]:
    """The text and the split of each document, in order.

    `Document.held_out` decides where it is set. Any other document is held out if the SHA-256 of
    its text, as a number in [0, 1), is below the share, so it is in the same split of every corpus.

    Raises:
        UserError: a text has a lone surrogate.
    """
    duplicates = NearDuplicateFilter()
    for document in documents:
        check_utf8(document.text, f"text of {document.source}", CONVERT_TEXT)
        yield document.text, _split_of(document, held_out_share, duplicates)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _split_of(document: Document, held_out_share: float, duplicates: NearDuplicateFilter) -> Split:
    if not document.text.strip():
        return Split.EMPTY
    if not duplicates.is_new(document.text):
        return Split.DUPLICATE
    is_held_out = document.held_out
    if is_held_out is None:
        is_held_out = place_in_split(document.text) < held_out_share * 2**64
    return Split.HELD_OUT if is_held_out else Split.TRAIN


def place_in_split(text: str) -> int:
    """The hash of a text as a number in [0, 2**64); the lowest are held out."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
