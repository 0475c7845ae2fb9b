"""The split of every document of a stream, or why it is dropped and of which it is a copy.

One pass over the documents decides (`survey.py`); later passes over the same stream follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.sources.documents import OTHER_LANGUAGE, TOO_LONG, TOO_SHORT, Document
from tidemask.corpus.splitting.field_types import FieldTypes
from tidemask.errors import UserError

Documents = Callable[[], Iterable[Document]]
"""Yields the same documents, in the same order, each time it is called."""


class Split(IntEnum):
    """The split that a document is in, or the reason why it is in none."""

    EMPTY = 0
    COPY = 1
    TRAIN = 2
    HELD_OUT = 3
    NEAR_COPY = 4
    HELD_OUT_COPY = 5
    OTHER_LANGUAGE = 6
    TOO_SHORT = 7
    TOO_LONG = 8


KEPT = (Split.TRAIN, Split.HELD_OUT)
COPIES = (Split.COPY, Split.NEAR_COPY, Split.HELD_OUT_COPY)

LEFT_OUT: dict[str, Split] = {
    OTHER_LANGUAGE: Split.OTHER_LANGUAGE,
    TOO_SHORT: Split.TOO_SHORT,
    TOO_LONG: Split.TOO_LONG,
}
"""By what `Document.left_out` says."""

REASONS: dict[Split, str] = {
    Split.EMPTY: "empty",
    Split.COPY: "copy",
    Split.NEAR_COPY: "near copy",
    Split.HELD_OUT_COPY: "copy of a held-out text",
    **{split: reason for reason, split in LEFT_OUT.items()},
}
"""Why a document is in no split, as the manifest and the list of dropped documents say it."""


@dataclass(frozen=True, eq=False)
class Twins:
    """The documents that are dropped as copies, and those of which they are.

    Attributes:
        copies: numbers of the dropped documents in the stream, ascending, shape [n].
        kept: numbers of their twins, shape [n].
        agreement: share of their shingles that they have in common, an estimate below 1 for near
            copies; 1 for copies, shape [n].
    """

    copies: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    kept: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    agreement: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))


@dataclass(frozen=True, eq=False)
class SplitPlan:
    """The split of every document, by its index in the stream; one byte each.

    Attributes:
        splits: a `Split` for each document.
        twins: of the documents that are copies.
        held_out_words: share of the words of the kept documents that is held out.
        digest: of the documents, hexadecimal: the same for the same stream alone.
        field_types: of the fields that are kept of documents.
        num_repeats: how often documents of the training split come once more, see `numbered`.
    """

    splits: bytes
    twins: Twins = field(default_factory=Twins)
    held_out_words: float = 0.0
    digest: str = ""
    field_types: FieldTypes = field(default_factory=dict)
    num_repeats: int = 0

    def count(self, split: Split) -> int:
        """Number of documents in that split, or dropped for that reason."""
        return self.splits.count(split)

    @property
    def num_kept(self) -> int:
        """Documents that are in a split."""
        return self.count(Split.TRAIN) + self.count(Split.HELD_OUT)

    @property
    def num_written(self) -> int:
        """Documents that the corpus has, as often as each has passes."""
        return self.num_kept + self.num_repeats

    @property
    def num_training_texts(self) -> int:
        """Texts of the training split, as often as each has passes."""
        return self.count(Split.TRAIN) + self.num_repeats

    @property
    def num_copies(self) -> int:
        """Documents that are dropped as copies of others, exact or near."""
        return len(self.twins.copies)

    @property
    def drops(self) -> dict[str, int]:
        """How many documents are dropped, by reason."""
        return {reason: self.count(split) for split, reason in REASONS.items()}

    def numbered(self, documents: Iterable[Document]) -> Iterator[tuple[int, Document, Split]]:
        """Number, document and split of each of the stream that was planned.

        A document of the training split comes as often as it has passes.

        Raises:
            UserError: the stream has more or fewer documents than it had.
        """
        num_seen = 0
        for document in documents:
            num_seen += 1
            if num_seen > len(self.splits):
                break
            split = Split(self.splits[num_seen - 1])
            for _ in range(document.passes if split is Split.TRAIN else 1):
                yield num_seen - 1, document, split
        if num_seen != len(self.splits):
            more_or_fewer = "more" if num_seen > len(self.splits) else "fewer"
            raise UserError(
                f"text changed while it was read: {more_or_fewer} documents than the "
                f"{len(self.splits)} of the first pass. Expected the same each time. "
                "Leave the files alone meanwhile."
            )

    def training_texts(self, documents: Iterable[Document]) -> Iterator[str]:
        """The texts of the training split.

        Raises:
            UserError: as `numbered`.
        """
        for _, document, split in self.numbered(documents):
            if split is Split.TRAIN:
                yield document.text

    def check(self, held_out_share: float) -> None:
        """Check that the training split is not empty, nor the held-out split if its share is not 0.

        Raises:
            UserError: one is empty.
        """
        kept = self.num_kept
        besides = f" ({counted(self.num_copies, 'copy', 'copies')} dropped)"
        is_given = not held_out_share and self.count(Split.HELD_OUT)
        if is_given and self.num_copies and not self.count(Split.TRAIN):
            raise UserError(
                f"training split is empty: all of it is held-out text, too{besides}. Expected at "
                "least one document that is not. Give other text to train on, or other files as "
                "held-out text (--held-out-text)."
            )
        splits = [("training", Split.TRAIN), ("held-out", Split.HELD_OUT)]
        for name, split in splits if held_out_share else splits[:1]:
            if not self.count(split):
                without = ", or set held_out=0 (--held-out 0)" if split == Split.HELD_OUT else ""
                raise UserError(
                    f"{name} split is empty: {counted(kept, 'document', 'documents')}"
                    f"{besides if self.num_copies else ''} and held_out={held_out_share}. Expected "
                    "at least one document. Give more documents, or one of a hundred words "
                    f"or more, which is cut into passages{without}."
                )


def counted(number: int, one: str, several: str) -> str:
    """A number with the noun that agrees with it."""
    return f"{number:,} {one if number == 1 else several}"
