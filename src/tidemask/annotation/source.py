"""What a source of a column is: it gives each token of a document a class, a weight or a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tidemask.corpus.store.corpus import PreparedCorpus
from tidemask.errors import UserError
from tidemask.progress import NoteCallback, ProgressCallback
from tidemask.token_classes import ColumnKind


class SourceError(UserError):
    """What a source says is wrong, and would be again: nothing of its column is gone on with."""


def _none() -> NDArray[np.int32]:
    return np.empty(0, np.int32)


@dataclass(frozen=True)
class DocumentTokens:
    """The tokens of one document of a corpus, put together again from its rows.

    Attributes:
        number: of the document in the corpus' table of documents.
        ids: vocabulary ids, shape [N]; special tokens between documents are left out.
        word_starts: whether a token is its word's first, shape [N]. Where a row begins, `RowSeams`
            says it.
        classes: class of each token's word as preparation recorded it, shape [N].
        source: the file or data set that it comes from; empty where texts are not read.
        place: where in its source it begins, from 1: its line for text, its number for records; 0
            where that is unknown.
        text: as its source has it; `None` for a source that does not read texts.
        starts: offset of each token's first character in the text, shape [N]; empty without it.
        ends: offset after each token's last character, shape [N]; empty without the text.
    """

    number: int
    ids: NDArray[np.unsignedinteger[Any]]
    word_starts: NDArray[np.bool_]
    classes: NDArray[np.uint8]
    source: str = ""
    place: int = 0
    text: str | None = None
    starts: NDArray[np.int32] = field(default_factory=_none)
    ends: NDArray[np.int32] = field(default_factory=_none)

    def __len__(self) -> int:
        return len(self.ids)


class ColumnSource(Protocol):
    """Where the values of a column come from.

    It is pickled for worker processes, each of which asks it for the values of other documents:
    what is heavy is loaded when values are first asked for.

    Attributes:
        kind: what the column holds.
        class_names: of a column of classes, by their indices; empty for any other.
        fingerprint: names what the source does; the same one gives the same values for the same
            documents, wherever and in whatever order they are asked for.
        reads_texts: whether documents come with their texts, which are read again from the files
            that the corpus was made from.
        max_workers: worker processes at most; `None` for as many as there are.
    """

    @property
    def kind(self) -> ColumnKind:
        """What the column holds."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of a column of classes."""

    @property
    def fingerprint(self) -> str:
        """Names what the source does."""

    @property
    def reads_texts(self) -> bool:
        """Whether documents come with their texts."""

    @property
    def max_workers(self) -> int | None:
        """Worker processes at most."""

    def values(self, documents: Sequence[DocumentTokens]) -> Sequence[NDArray[Any]]:
        """The values of the tokens of each document, shape [N] each.

        Classes are indices into `class_names` or `NO_CLASS`; weights finite and at least 0; groups
        ids that mean something within a document alone, or `NO_GROUP`.
        """


@runtime_checkable
class ListSource(ColumnSource, Protocol):
    """A source that lists what it looks for, and can say of which entries it found none."""

    @property
    def num_entries(self) -> int:
        """Entries of the list."""

    def values_and_found(
        self, documents: Sequence[DocumentTokens]
    ) -> tuple[Sequence[NDArray[Any]], NDArray[np.int64]]:
        """The values of each document, as `values`, and the numbers of the entries found there."""

    def note_on(self, found: NDArray[np.bool_]) -> str | None:
        """What to say of the entries that were found nowhere, where there are some."""


@dataclass(frozen=True)
class SourceRequest:
    """What a source is made from.

    Attributes:
        corpus: that is annotated.
        column: name of the column.
        name: the source as it was asked for, such as `list:drugs.txt`.
        argument: what follows the colon of the name; empty without one.
        attribute: what of the source the column takes; `None` for its usual.
        kind: that was asked for; `None` leaves it to the source.
        on_progress: for what a source does before values are asked for.
        on_note: called with what a user should know, one sentence at a time.
    """

    corpus: PreparedCorpus
    column: str
    name: str
    argument: str
    attribute: str | None
    kind: ColumnKind | None
    on_progress: ProgressCallback
    on_note: NoteCallback

    def kind_among(self, *kinds: ColumnKind) -> ColumnKind:
        """The kind that was asked for, or the first.

        Raises:
            UserError: the source has no such kind.
        """
        if self.kind is None:
            return kinds[0]
        if self.kind not in kinds:
            raise UserError(
                f"a kind that the source does not have: kind={self.kind} with source={self.name}. "
                f"Expected {' or '.join(kinds)}."
            )
        return self.kind
